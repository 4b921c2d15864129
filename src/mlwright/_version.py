"""The one place that names the version; written into every package and piece of evidence."""

__version__ = "0.1.0"
