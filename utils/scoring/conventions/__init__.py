"""What NIST's scoring accepts as equal: alternatives, GLM files, joined compounds. Each is opt-in.

They choose what a reference (and by a GLM file a hypothesis) says before errors are counted; the
name of the normalizer ends with what was applied: `english@2/glm@1-0a1b2c3d/compounds@1`.
"""
