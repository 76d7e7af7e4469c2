"""What an event means in the light of those before it.  Pure."""
