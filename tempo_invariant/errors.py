"""The one exception that stands for something the user can mend."""


class UserError(Exception):
    """Input, a file or a setting is wrong; the message is one line that says which and why."""
