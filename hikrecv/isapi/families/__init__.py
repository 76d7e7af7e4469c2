"""One file a family: document to typed parts of an Event."""
