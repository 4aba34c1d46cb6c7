"""What trackers get beside the numbers: transcripts of the dev set and the settings."""
