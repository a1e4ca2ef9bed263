"""Manifest events: their layouts (from manifests, from the trace, from a catalogue) and their decoding."""
