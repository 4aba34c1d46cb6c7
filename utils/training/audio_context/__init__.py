"""The audio context of a training run: chosen, probed, learnt."""
