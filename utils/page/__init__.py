"""The page that people transcribe on: the server's, and the web app's on the device itself."""
