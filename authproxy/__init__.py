"""An authentication proxy with scoped API keys, in front of a package index that stays as it is."""

__version__ = "0.1.0"
