"""results.json, and every form it is shown in: terminal table, Markdown, pictures."""
