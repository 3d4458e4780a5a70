"""The agent on a user's own machine: what web pages may ask of the USB keys that are plugged in there."""
