"""Offline preparation of MSMD data: engraving, performing, and conversion to TFRecord shards."""
