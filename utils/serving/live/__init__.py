"""Live text over a WebSocket: its events, what a session asked for, what will not change."""
