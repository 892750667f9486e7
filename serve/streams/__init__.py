"""Live sessions over WebSockets, without Ray but for the keeper of copies."""
