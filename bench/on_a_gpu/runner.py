"""Runs commands under time limits, and keeps the record of what they gave."""
import json, os, signal, subprocess, sys, tempfile, threading, time
from pathlib import Path

# Seconds that a process has to end after SIGTERM.
GRACE = 3
# A command is not started with fewer seconds left.
LEAST = 2


class Ended(Exception):
    """A signal ended the script."""


def run(command, limit, env, until=None):
    """Runs a command and returns (exit code, seconds, lines of stdout, end of stderr, whether its time ran out).

    `until(line)` is called with each line of stdout; once it is true, the command is ended, and that counts as success.
    """
    begin = time.monotonic()
    lines, reached = [], threading.Event()
    with tempfile.TemporaryFile("w+", errors="replace") as errors:
        try:
            child = subprocess.Popen(
                [str(word) for word in command], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors,
                text=True, errors="replace", start_new_session=True,
            )
        except OSError as error:
            return 127, 0.0, [], str(error), False

        def read():
            for line in child.stdout:
                lines.append(line.rstrip("\n"))
                if until and not reached.is_set() and until(lines[-1]):
                    reached.at = time.monotonic()
                    reached.set()

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        late = False
        try:
            while child.poll() is None and not reached.is_set():
                late = time.monotonic() - begin > limit
                if late:
                    break
                time.sleep(0.01)
            end = time.monotonic()
        finally:
            stop(child)
        reader.join(GRACE)
        errors.seek(0)
        text = errors.read()
    code = 0 if reached.is_set() else child.returncode
    return code, (reached.at if reached.is_set() else end) - begin, lines, text, late and not reached.is_set()


def stop(child):
    """Ends a process and all that it started."""
    for number in [signal.SIGTERM, signal.SIGKILL]:
        try:
            os.killpg(child.pid, number)
        except (ProcessLookupError, PermissionError):
            pass
        try:
            child.wait(GRACE)
        except subprocess.TimeoutExpired:
            continue
        # Compilers of the peers may outlive their parent.
        if number == signal.SIGKILL or not alive(child.pid):
            return


def alive(group):
    try:
        os.killpg(group, 0)
        return True
    except OSError:
        return False


def reason(text):
    """The line of stderr that says most: the last one that begins like an error, else the last one."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    heads = ("error", "FAILED", "Error", "thread", "not run")
    named = [line for line in lines if line.startswith(heads) or "Error:" in line]
    return (named or lines or ["no message"])[-1][:400]


class Record:
    """The JSON file."""

    def __init__(self, path, head, budget):
        self.path, self.begin, self.budget = Path(path), time.monotonic(), budget
        self.fields = {"schema": 1, "kind": "gpu-mlp on a GPU", "unix_time": int(time.time()), "budget_s": budget,
                       "wall_s": 0, "ended": "early: not finished", **head, "results": []}
        self.until = budget
        self.write()

    def left(self):
        """Seconds until the part must end."""
        return self.until - (time.monotonic() - self.begin)

    def results(self, part, status=None):
        return [one for one in self.fields["results"] if one["part"] == part and status in (None, one["status"])]

    def write(self):
        self.fields["wall_s"] = round(time.monotonic() - self.begin, 1)
        beside = self.path.with_name(self.path.name + ".part")
        beside.write_text(json.dumps(self.fields, indent=1) + "\n")
        beside.replace(self.path)

    def add(self, part, name, status, message=None, command=None, code=None, seconds=0.0, values=None):
        words = command and [str(word) for word in command]
        self.fields["results"].append({"part": part, "name": name, "status": status, "message": message, "command": words,
                                       "exit_code": code, "seconds": round(seconds, 3), "values": values})
        self.write()
        print(f"[{self.fields['wall_s']:6.1f} s] {part} {name}: {status}{', ' + message if message else ''}",
              file=sys.stderr, flush=True)
        return self.fields["results"][-1]

    def skip(self, part, name, message):
        return self.add(part, name, "skipped", message)

    def measure(self, part, name, command, env, limit, values, until=None):
        """Runs a command and records it. `values(lines, seconds)` returns the values, or raises ValueError if there are none."""
        limit = min(limit, self.left())
        if limit < LEAST:
            return self.skip(part, name, "no time left in this part")
        code, seconds, lines, text, late = run(command, limit, env, until)
        found, message = None, None
        text = text if text.strip() else "\n".join(lines[-1:])
        try:
            found = values(lines, seconds)
        except (ValueError, KeyError, IndexError, TypeError, ZeroDivisionError) as error:
            message = f"no result: {type(error).__name__} {error}"
        if late:
            status, message = "stopped", f"stopped after {seconds:.0f} s; {reason(text)}"
        elif code == 0 and found is not None:
            status = "ok"
        else:
            status, message = "failed", f"exit code {code}: {reason(text)}" if code else message
            # A peer that finds no device is not a failure of the measurement.
            status = "skipped" if "not run:" in text else status
        return self.add(part, name, status, message, command, code, seconds, found)
