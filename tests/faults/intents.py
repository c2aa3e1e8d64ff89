"""An intent that would have an effect, for journals that may or may not take it."""

from warroom.model.event import StepIntended
from warroom.testing.builders import a_call

INTENDED = StepIntended(plan="p", step="s", attempt=1, calls=(a_call(),), inverse=None, no_inverse="a restart")
