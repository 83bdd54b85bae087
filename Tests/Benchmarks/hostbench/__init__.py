"""Figures of the host and of its peers, measured side by side on one machine."""
