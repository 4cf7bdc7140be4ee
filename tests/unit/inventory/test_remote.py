"""How a command becomes root on a machine: run here, with a sudo that behaves as the real one."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from espalier.inventory import askpass
from espalier.inventory.known_hosts import ssh_arguments
from espalier.inventory.remote import (
    MISSING,
    Remote,
    as_root,
    connection_data,
    explain,
    password_input,
    root_command,
)
from espalier.inventory.site import Site

# As sudo: without a password it refuses (-n), or takes a line of stdin (-S), once. A command that
# is not there ends with 1.
SUDO = """#!/bin/sh
verify=
while :; do
  case $1 in
    -n) [ "$NEEDS_NONE" ] || { echo "sudo: a password is required" >&2; exit 1; };;
    -S) read_it=1;;
    -p) shift;;
    -v) verify=1;;
    --) shift; break;;
    -k) ;;
    *) break;;
  esac
  shift
done
if [ -z "$NEEDS_NONE" ]; then
  IFS= read -r given
  echo asked >> "$ASKED"
  [ "$given" = "$RIGHT" ] || exit 1
fi
[ "$verify" ] && exit
command -v "$1" >/dev/null || { echo "sudo: $1: command not found" >&2; exit 1; }
exec "$@"
"""
NONE_NEEDED = {"NEEDS_NONE": "1"}
RIGHT = "pear 'on' \"quince\" $HOME \\n"


@pytest.fixture
def machine(tmp_path: Path) -> dict[str, str]:
    """The environment of a machine whose user is not root, and becomes it by RIGHT."""
    for name, text in (("sudo", SUDO), ("id", "#!/bin/sh\necho 1000\n")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    return {"PATH": path, "RIGHT": RIGHT, "ASKED": str(tmp_path / "asked")}


def run(line: str, environment: dict[str, str], stdin: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-c", line], env=environment, input=stdin, capture_output=True, text=True
    )


WORDS = ["sh", "-c", 'printf "%s|" "$@"; cat', "sh", "two words", "a'b", "$HOME"]
WRITTEN = "two words|a'b|$HOME|"


@pytest.mark.parametrize("needs_none", ["", "yes"])
def test_command_has_its_own_input_whether_sudo_asks_or_not(
    machine: dict[str, str], needs_none: str
) -> None:
    line = as_root(WORDS, password=True)
    done = run(line, machine | {"NEEDS_NONE": needs_none}, password_input(RIGHT) + "one\ntwo\n")
    assert (done.stdout, done.stderr, done.returncode) == (f"{WRITTEN}one\ntwo\n", "", 0)


def test_root_needs_no_sudo_and_sees_no_password(machine: dict[str, str]) -> None:
    Path(machine["ASKED"]).with_name("id").write_text("#!/bin/sh\necho 0\n")
    done = run(as_root(WORDS, password=True), machine, password_input(RIGHT) + "one\n")
    assert done.stdout == f"{WRITTEN}one\n"
    assert run(as_root(WORDS), machine, "one\n").stdout == f"{WRITTEN}one\n"


def test_wrong_password_is_tried_once_and_ends_with_a_sentence(machine: dict[str, str]) -> None:
    done = run(as_root(WORDS, password=True), machine, password_input("wrong") + "one\n")
    assert done.returncode == 1
    assert done.stdout == ""
    assert explain(done.stderr).startswith("sudo refuses the password")
    assert Path(machine["ASKED"]).read_text() == "asked\n"


@pytest.mark.parametrize("password", [True, False])
def test_command_that_is_not_there_ends_as_a_shell_says_it(
    machine: dict[str, str], password: bool
) -> None:
    # site.yml's first run tells by it that the machine has no release command yet.
    stdin = password_input(RIGHT) if password else ""
    done = run(
        as_root(["no-such-command"], password=password), machine | {"NEEDS_NONE": "1"}, stdin
    )
    assert done.returncode == 127, done


def test_password_that_is_missing_is_explained(machine: dict[str, str]) -> None:
    done = run(as_root(WORDS), machine, "")
    assert done.returncode == 1
    assert explain(done.stderr) == MISSING
    assert explain("") == "no answer"
    assert explain("first\nlast\n") == "last"


def test_no_password_is_in_a_command() -> None:
    line, before = root_command({"ansible_become_password": "pear"}, ["true"])
    assert "pear" not in line
    assert before == "pear\npear\n-- end of the password --\n"
    assert root_command({}, ["true"]) == (as_root(["true"]), "")
    assert "sudo -n" in as_root(["true"])
    assert "sudo -- " in as_root(["true"], terminal=True)


def test_pyinfra_is_told_of_the_configuration_and_no_password_for_sudo() -> None:
    variables = {
        "vps1": {
            "ansible_host": "203.0.113.10",
            "ansible_user": "deploy",
            "ansible_password": "quince",
            "ansible_become_password": "pear",
            "ansible_ssh_common_args": "-o StrictHostKeyChecking=accept-new",
        }
    }
    assert connection_data(variables, "vps1", Path("/x/config")) == {
        "ssh_hostname": "203.0.113.10",
        "ssh_config_file": "/x/config",
        "ssh_strict_host_key_checking": "accept-new",
        "ssh_password": "quince",
        "_sudo": True,
    }


KNOWN = {"deploy@203.0.113.10": "pear", "@203.0.113.11": "quince"}


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("deploy@203.0.113.10's password: ", "pear"),
        ("(deploy@203.0.113.10) Password: ", "pear"),
        ("me@203.0.113.11's password: ", "quince"),
        ("jump@203.0.113.1's password: ", None),
        ("deploy@203.0.113.100's password: ", None),
        ("The authenticity of host 'deploy@203.0.113.10' … (yes/no/[fingerprint])? ", None),
    ],
)
def test_ssh_is_given_the_password_of_the_machine_that_it_asks_for(
    question: str, expected: str | None
) -> None:
    assert askpass.answer(question, KNOWN) == expected


def test_program_that_ssh_calls_answers(tmp_path: Path) -> None:
    program = tmp_path / "askpass"
    program.write_text(askpass.script())
    program.chmod(0o700)
    environment = {**os.environ, **askpass.environment(tmp_path, KNOWN)}
    assert environment["SSH_ASKPASS"] == str(program)
    command = [program, "deploy@203.0.113.10's password: "]
    assert subprocess.check_output(command, env=environment, text=True) == "pear\n"
    assert askpass.environment(tmp_path, {}) == {}
    variables = {"a": {"ansible_user": "me", "ansible_password": "x"}, "b": {}}
    assert askpass.passwords(variables) == {"me@a": "x"}


RELAY = """
import os, sys
from espalier.inventory import terminal
from espalier.inventory.remote import as_root
line = as_root([sys.executable, "-c", sys.argv[1]], password=True, terminal=True)
sys.exit(terminal.run(["sh", "-c", line], os.environ, "the answer"))
"""
SUDO_ON_TERMINAL = f"""#!{sys.executable}
import getpass, os, sys
assert sys.argv[1:4:2] == ["-p", "--"]
given = getpass.getpass(sys.argv[2])
print("sudo got", given, flush=True)
os.execvp(sys.argv[4], sys.argv[4:])
"""
ASKING = """
import getpass, sys
print("got", getpass.getpass("[sudo] password: "))
sys.exit(7)
"""


def on_terminal(environment: dict[str, str], questions: int) -> tuple[str, int]:
    """Run ASKING through the relay on a terminal, type a line; gives the output and the status."""
    process, master = pty.fork()
    if process == 0:
        argv = [sys.executable, "-c", RELAY, ASKING]
        os.execve(sys.executable, argv, os.environ | environment)
    output, is_typed = "", False
    while True:
        try:
            output += os.read(master, 1000).decode()
        except OSError:
            break
        # The last question is the command's own: a person answers it.
        if output.count("[sudo] password: ") == questions and not is_typed:
            os.write(master, b"typed\n")
            is_typed = True
    os.close(master)
    return output, os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def test_sudo_is_answered_on_a_terminal_and_nobody_else(machine: dict[str, str]) -> None:
    folder = Path(machine["ASKED"]).parent
    (folder / "sudo").write_text(SUDO_ON_TERMINAL)
    for user, is_asked in ((1000, True), (0, False)):
        (folder / "id").write_text(f"#!/bin/sh\necho {user}\n")
        output, status = on_terminal(machine, 1 + is_asked)
        assert status == 7
        assert ("sudo got the answer" in output) == is_asked
        assert "\ngot typed" in output
        assert "\x1e" not in output


def test_pyinfra_is_told_a_file_with_a_space_in_its_path() -> None:
    of = {"ansible_ssh_extra_args": ssh_arguments(Path("/my shop/known_hosts"))}
    data = connection_data({"vps1": of}, "vps1", Path("/x/config"))
    assert data["ssh_known_hosts_file"] == "/my shop/known_hosts"
    assert data["ssh_strict_host_key_checking"] == "yes"


def test_refused_host_key_is_explained() -> None:
    words = "No ED25519 host key is known for h and you have requested strict checking.\r\n"
    assert "`espalier check` shows it" in explain(f"{words}Host key verification failed.\r\n")


@pytest.mark.parametrize("password", ["", RIGHT])
def test_input_that_is_kept_ends_when_it_is_closed(
    machine: dict[str, str], tmp_path: Path, password: str
) -> None:
    """A command on a machine sees what is written, and the end when it is closed."""
    ssh = tmp_path / "ssh"
    ssh.write_text('#!/bin/sh\nfor line; do :; done\nexec sh -c "$line"\n')
    ssh.chmod(0o755)
    variables = {"ansible_host": "192.0.2.1", "ansible_become_password": password}
    site = Site(tmp_path, "shop", {}, {}, {}, {"vps1": variables})
    remote = Remote(site, tmp_path / "config", machine if password else machine | NONE_NEEDED)
    words = ["sh", "-c", "echo begins; cat; echo ends"]
    job = remote.start("vps1", words, keep_input=True, stdout=subprocess.PIPE)
    assert job.stdin and job.stdout
    assert job.stdout.readline() == "begins\n"
    job.stdin.write("a pear\n")
    job.stdin.close()
    assert job.stdout.read() == "a pear\nends\n"
    assert job.wait(10) == 0
