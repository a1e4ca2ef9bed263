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
from tracecheck.operations.profiles.grammar import Covered, Message, Profile, Tells
from tracecheck.operations.profiles.load import load, parse, shipped

__all__ = [
    "Binder",
    "Binding",
    "Bound",
    "Covered",
    "Message",
    "Profile",
    "Source",
    "Tells",
    "event_source",
    "load",
    "parse",
    "shipped",
    "text_source",
    "tracelogging_source",
    "wpp_source",
]
