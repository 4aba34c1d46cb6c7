"""What can be set about an upload to the Hugging Face Hub."""

from dataclasses import dataclass

from utils.cli.errors import UserError


@dataclass(frozen=True)
class HubSettings:
    """Whether a model is uploaded, where to, who sees it and under which licence."""

    push_to_hub: bool = False
    """Upload the model and its card to the Hugging Face Hub. The token is read from the environment
    variable HF_TOKEN."""
    hub_model_id: str | None = None
    """Repository on the hub; needed with push_to_hub."""
    hub_private: bool = False
    """Make a new repository private. One that exists stays as it is."""
    license: str | None = None
    """Licence in the model card, as the hub spells it, such as apache-2.0; needed with
    push_to_hub. The base model and the training data limit the choice."""

    def check_hub(self) -> None:
        """See that an upload is described completely.

        Raises:
            UserError: naming the flag that is missing.
        """
        if not self.push_to_hub:
            return
        if not self.hub_model_id:
            raise UserError(
                "--push_to_hub=True needs --hub_model_id", "For example --hub_model_id=me/whisper-x"
            )
        if not self.license:
            raise UserError(
                "--push_to_hub=True needs --license: nobody may use a model without one",
                "For example --license=apache-2.0, as OpenAI's Whisper models have it on the hub. "
                "The training data may ask for another.",
            )
