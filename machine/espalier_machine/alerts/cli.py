"""Tell somebody when a unit of this machine begins to fail, and when that is over.

espalier-alerts look           what the timer runs each minute, and systemd where a unit fails
espalier-alerts status         what fails now, and what waits for a reboot or a restart
espalier-alerts test           send one message by each channel, and say what it answered
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

from espalier_machine.common import installed

NAME = "espalier-alerts"


def main() -> int:
    """Run the command line; gives the exit status."""
    summary = (__doc__ or "").splitlines()[0]
    parser = argparse.ArgumentParser(prog=NAME, description=summary)
    parser.add_argument("action", choices=["look", "status", "test"])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--after", type=float, default=0, metavar="SECONDS", help="wait first")
    arguments = parser.parse_args()
    installed.mark_in_use()
    if arguments.action == "look":
        from espalier_machine.alerts import config, look

        time.sleep(arguments.after)
        for line in look.look(config.load()):
            print(line, flush=True)
        installed.remove_unused(NAME)
        return 0
    answer = status() if arguments.action == "status" else test()
    if arguments.json:
        print(json.dumps(answer))
    else:
        print("\n".join(lines(answer)))
    return 0 if answer["ok"] else 1


def status() -> dict[str, Any]:
    """What fails now, whom it is told, and what waits, as plain data."""
    from espalier_machine.alerts import config, ends, findings, look, units, updates

    settings, state = config.load(), look.load()
    timers, now = units.own_timers(), time.time()
    seen = units.read_units([*state.running, *timers])
    counts = units.restarts(seen, state.restarts, now)
    ran = units.running(seen, state.running, settings.site, now, timers)
    failing = units.problems(seen, counts, ran, settings.ignore, now)
    failing = findings.explained(failing, seen)
    day = ends.ending()
    return {
        "ok": True,
        "failing": [
            {"unit": name, "what": one.what, "since": one.since, "told": name in state.open}
            for name, one in failing.items()
        ],
        "channels": list(settings.channels.values()),
        "heartbeat": bool(settings.heartbeat),
        "waiting": len(state.outbox),
        "reboot": updates.reboot_for(),
        "outdated": updates.outdated_services(),
        "certificate_ends": day,
        "authority_ends": bool(day) and ends.is_authority_ending(),
    }


def test() -> dict[str, Any]:
    """Send one message by each channel, and a heartbeat; gives what each answered."""
    from espalier_machine.alerts import channels, config

    settings = config.load()
    subject = f"[{settings.site}] {settings.machine}: a test"
    text = "Somebody typed `espalier alerts --test`. Nothing is wrong."
    found = []
    for channel, name in settings.channels.items():
        try:
            found.append((name, True, channels.send(settings, channel, subject, text)))
        except channels.ChannelError as error:
            found.append((name, False, str(error)))
    if settings.heartbeat:
        try:
            found.append(("heartbeat", True, channels.get(settings.heartbeat)))
        except channels.ChannelError as error:
            found.append(("heartbeat", False, str(error)))
    told = [{"channel": name, "ok": ok, "answer": answer} for name, ok, answer in found]
    return {"ok": all(one["ok"] for one in told), "told": told}


def lines(answer: dict[str, Any]) -> list[str]:
    """An answer for a person on the machine."""
    if "told" in answer:
        told = [f"{one['channel']}: {one['answer']}" for one in answer["told"]]
        return told or ["Nobody is told: the inventory has no `alerts`."]
    found = [f"{one['unit']} fails: {one['what']}" for one in answer["failing"]]
    found += [f"waits for a reboot: {', '.join(answer['reboot'])}"] if answer["reboot"] else []
    found += [f"runs old files: {', '.join(answer['outdated'])}"] if answer["outdated"] else []
    if day := answer["certificate_ends"]:
        which = ", as the site's authority does" if answer["authority_ends"] else ""
        found.append(f"its certificate for the site's other machines ends on {day}{which}")
    return found or ["Nothing fails."]
