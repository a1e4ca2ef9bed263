"""Profiles: what the messages of a driver that logs in its own words mean."""

from tracecheck.operations.profiles.bind import (
    Binder,
    Binding,
    Bound,
    Source,
    event_source,
    text_source,
    tracelogging_source,
    wpp_source,
)
from tracecheck.operations.profiles.choose import LEAST_BOUND, Chosen
from tracecheck.operations.profiles.collect import Harvest, coverage_of
from tracecheck.operations.profiles.extract import Column
from tracecheck.operations.profiles.grammar import Covered, Message, Profile, Tells
from tracecheck.operations.profiles.lines import LineReader
from tracecheck.operations.profiles.load import load, parse, shipped
from tracecheck.operations.profiles.place import Place
from tracecheck.operations.profiles.reader import ProfileReader

__all__ = [
    "LEAST_BOUND",
    "Binder",
    "Binding",
    "Bound",
    "Chosen",
    "Column",
    "Covered",
    "Harvest",
    "LineReader",
    "Message",
    "Place",
    "Profile",
    "ProfileReader",
    "Source",
    "Tells",
    "coverage_of",
    "event_source",
    "load",
    "parse",
    "shipped",
    "text_source",
    "tracelogging_source",
    "wpp_source",
]
