"""What to do about each kind of finding."""

from __future__ import annotations

ADVICE: dict[str, str] = {
    # Errors.
    "broken line": "Correct the line in the manifest, or let --fix leave it out.",
    "repeated id": "Give each line an id of its own, or leave `id` out: the line's audio names it.",
    "empty manifest": "Give another manifest; custom.py makes one from what you have.",
    "missing audio": "Put the file where the line says, or correct `audio.path`.",
    "empty audio": "Record it again, or leave the line out.",
    "truncated audio": "Copy or convert the file again: its end is missing.",
    "undecodable audio": "Convert it to FLAC or WAV from its source, or leave the line out.",
    "not finite audio": "Export it again: it holds values that are no numbers.",
    "channel audio": "Correct `audio.channel`, which the file does not have, or leave it out.",
    "joined audio": "Its parts differ in rate or channels: decode each, then join them.",
    "piece outside the file": "Correct `start_time` and `end_time`, or restore the whole file.",
    "sentence outside the audio": "Correct the times in `sentences`, or leave `sentences` out.",
    "sentences out of order": "Sort `sentences` by their times, or leave `sentences` out.",
    "one sound, two texts": "Listen, keep the line with the right text, and leave the other out.",
    "audio in two sets": "Leave it out of the training set: the test set must be unseen.",
    "too many tokens": "Cut the recording at pauses (custom.py subtitles), or leave the line out.",
    # Warnings.
    "silent": "Leave the line out, or make it a line without speech: an empty text.",
    "clipped": "Record at a lower level; a few such lines do no harm.",
    "out of range": "Export it again between -1 and 1.",
    "shifted": "Remove the constant (DC) part, for example with a high-pass filter.",
    "other duration": "Correct `duration`, or leave it out: it is measured then.",
    "too long": "Cut it at pauses into pieces of up to 30 s (custom.py subtitles).",
    "too fast to be true": "Listen: the text is too long for the sound, or is of another line.",
    "too slow to be true": "Listen: words are missing in the text, or silence should be cut off.",
    "empty text": "Write what is said, or add `sentences: []` where nobody speaks.",
    "text without voice": "Listen: leave the line out, or empty its text where nobody speaks.",
    "voice without text": "Write what is said, or leave the line out.",
    "control characters": "Remove them from the text.",
    "markup": "Remove the tags and signs that nobody says.",
    "wrong encoding": "Write the text again as UTF-8 from its source.",
    "placeholder": "Write what is said, or leave the line out.",
    "another script": "Correct the language, or the text.",
    "another language": "Correct the language, or the text.",
    "sentences overlap": "Correct the times in `sentences`, or leave `sentences` out.",
    "repeated audio": "Keep one of the lines, or all if the weight is meant.",
    "nearly the same audio": "Listen to both, and keep one.",
    "nearly the same audio in two sets": "Leave it out of the training set.",
    "text of a speaker in two sets": "Split by speakers: custom.py --split keeps them apart.",
    "speaker in two sets": "Split by speakers (custom.py --split), or know that the score is of "
    "voices that were trained on.",
    "contradicted by the model": "Listen first: correct the text, or keep it where the model errs.",
    "the model contradicts most lines": "Check that texts and audio belong together, then that the "
    "model knows the language.",
    # Notes.
    "low sampling rate": "Nothing, if the model will be used on such sound.",
    "several channels": "Name the channel (`audio.channel`) where speakers have one each.",
    "wrong extension": "Nothing: it is read as what it is.",
    "digits": "Write numbers one way in all lines: the model learns the way that it sees.",
    "perhaps too many tokens": "Count them: --model_path.",
    "repeated text": "Nothing, unless one sentence outweighs the others.",
    "text in two sets": "Nothing, unless the test is to be of unseen sentences.",
}
"""Kind of a finding -> what a person does about it, in a sentence or two."""
