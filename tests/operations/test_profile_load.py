"""Reading profiles: what is refused, and in which words."""

import pytest

from tracecheck.errors import InputError, UsageError
from tracecheck.operations.profiles import Tells, load, parse, shipped

HEAD = 'profile = 1\nname = "mine"\n'
SET = '[[message]]\ntext = "set %p of %p"\nroutine = "FltSetFileContext"\n'

MISTAKES = {
    "profile = ": "is not TOML",
    'name = "mine"\n': "profile = 1",
    "profile = 2\n": "profile = 1",
    "profile = 1\n": "needs a name",
    HEAD + "colour = 1\n": "unknown key 'colour'",
    HEAD + "message = 3\n": "[[message]]",
    HEAD + "coverage = 3\n": "[coverage]: is a table",
    HEAD
    + '[coverage]\ncomplete = ["FltSetFooContext"]\n': "complete 'FltSetFooContext' is none that is known",
    HEAD
    + '[coverage]\ncomplete = ["ContextUse"]\nsilent = ["ContextUse"]\n': "ContextUse is in 'complete' and",
    HEAD + SET + 'event = "x"\n': "message 1: needs exactly one of 'text'",
    HEAD + '[[message]]\nroutine = "ContextUse"\n': "message 1: needs exactly one of 'text'",
    HEAD + SET + "ignore = true\n": "message 1: needs either 'routine' or 'ignore = true'",
    HEAD + '[[message]]\ntext = "a"\n': "message 1: needs either 'routine' or 'ignore = true'",
    HEAD + '[[message]]\ntext = " %p "\nroutine = "ContextUse"\n': "message 1: 'text' has no word",
    HEAD + SET.replace("File", "Fil"): "is 'FltSetFileContext' meant?",
    HEAD + SET + SET + "contxt = 1\n": "message 2: unknown key 'contxt'; is 'context' meant?",
    HEAD + SET + "context = 3\n": "message 1: 'context = 3', but the text has 2 conversions",
    HEAD + SET + "context = 0\n": "message 1: 'context' is an argument's number",
    HEAD + SET + "context = true\n": "message 1: 'context' is an argument's number",
    HEAD + SET + 'tells = "maybe"\n': "'tells' is one of result, intent, failure, success",
    HEAD + SET + "file_context = 1\n": "'file_context' is a member of FltGetContexts",
    HEAD + SET + 'wpp = ["no guid", 3]\n': "'wpp' is the message GUID",
    HEAD + SET + 'operation = 1\noperation_is = "keep"\n': '"replace_if_exists"',
    HEAD + SET + '[message.constant]\nstatus = "STATUS_WRONG_NAME"\n': "the constant 'status' can't be",
    HEAD + SET + "[message.constant]\nstats = 0\n": "[message.constant]: unknown key 'stats'",
    HEAD + SET + "context = 1\n[message.constant]\ncontext = 0\n": "'context' is given twice",
    HEAD + SET + '[message.when]\n7 = "0"\n': "'when = 7', but the text has 2 conversions",
    HEAD + SET + '[message.resolve]\nwithin = "soon"\n': "'within' is a time such as",
    HEAD + SET + '[message.resolve]\nby = ["colour"]\n': "'by' is a list of thread, object",
    HEAD
    + SET
    + '[message.pointer]\nfirst = "FltSetFileContext"\n': "[message.pointer] is for FltAllocateContext",
}


class TestMistakes:
    """A mistake is one line that names the file, the message and what to do."""

    @pytest.mark.parametrize(("text", "said"), MISTAKES.items(), ids=range(len(MISTAKES)))
    def test_each_is_refused_in_one_line(self, text, said):
        """No mistake is passed over, and none is a traceback."""
        with pytest.raises(InputError) as caught:
            parse(text, "mine.toml")
        line = str(caught.value)
        assert line.startswith("mine.toml: ")
        assert said in line
        assert "\n" not in line

    def test_a_name_that_no_profile_has_tells_which_there_are(self):
        """What is neither shipped nor a file is an error of the call."""
        with pytest.raises(UsageError, match="no profile has this name and no file"):
            load("no-such-profile")

    @pytest.mark.parametrize(
        "raw", [b"\xff\xfe\x00", b"profile = 1 # \xe9", b"[" * 100_000, b"#" * (1 << 23)]
    )
    def test_files_that_are_no_text_are_refused(self, raw, tmp_path):
        """Bytes that are no UTF-8, deep nesting and great size end in a clear error."""
        path = tmp_path / "bad.toml"
        path.write_bytes(raw)
        with pytest.raises(InputError, match=r"bad\.toml: "):
            load(path)


class TestReading:
    """What a profile says."""

    @pytest.mark.parametrize("name", shipped())
    def test_shipped_profiles_are_sound(self, name):
        """Every profile of the package is read, is called as its file is, and has messages or a reason."""
        profile = load(name)
        assert profile.name == name
        assert profile.messages or profile.coverage.note

    def test_constants_and_conditions_are_numbers(self):
        """Statuses, types and operations are given by name or number; a condition may be negated."""
        text = f"""{HEAD}{SET}
context = 1
tells = "intent"
[message.constant]
status = "STATUS_FLT_CONTEXT_ALREADY_DEFINED"
context_type = "stream handle"
operation = "keep_if_exists"
pool_tag = "ctxS"
instance = "0xffff8000`00000010"
[message.when]
2 = "!0"
[message.resolve]
by = ["thread", "instance"]
within = "20ms"
"""
        (message,) = parse(text, "mine.toml").messages
        assert message.tells is Tells.INTENT
        assert message.constants == {
            "status": 0xC01C0002,
            "context_type": 0x10,
            "operation": 1,
            "pool_tag": 0x53787463,
            "instance": 0xFFFF800000000010,
        }
        (condition,) = message.when
        assert (condition.argument, condition.value, condition.negated) == (2, "0", True)
        assert (message.by, message.within) == (("instance",), 20_000_000)
