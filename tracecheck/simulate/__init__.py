"""A model filter manager and scripted drivers; writes real .etl files with known faults."""

from tracecheck.simulate.scenario import Fault, Mix, Scenario
from tracecheck.simulate.simulation import Simulation, simulate
from tracecheck.simulate.truth import FaultTruth, Life, Truth

__all__ = ["Fault", "FaultTruth", "Life", "Mix", "Scenario", "Simulation", "Truth", "simulate"]
