"""The same agent with our runtime, as a bare loop, and with three frameworks: two tools, one question. Each module has one `build`."""
