"""The parts of an overload: whoever sends clips, whoever only disturbs, whoever watches."""
