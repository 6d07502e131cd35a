"""The playbook is sound, and its settings are checked before anything happens on a board. `make box-test` runs it."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml

from device.settings import SETTINGS, Settings, load_settings
from tests.support.shipped import ROOT

PROVISIONING = ROOT / "provisioning"
ROLE = PROVISIONING / "roles" / "loupe"
TOOLS = Path(sys.executable).parent


def run(*command: str) -> "subprocess.CompletedProcess[str]":
    """Run one of the development environment's programs on the playbook."""
    environment = os.environ | {"PATH": f"{TOOLS}:{os.environ['PATH']}", "ANSIBLE_NOCOLOR": "1", "LC_ALL": "C.UTF-8"}
    return subprocess.run(command, cwd=PROVISIONING, env=environment, capture_output=True, text=True)


def load(path: Path) -> dict[str, Any]:
    return dict(yaml.safe_load(path.read_text(encoding="utf-8")))


def options() -> dict[str, Any]:
    return dict(load(ROLE / "meta" / "argument_specs.yml")["argument_specs"]["main"]["options"])


def test_playbook_parses_and_follows_ansible_lints_production_rules() -> None:
    parsed = run("ansible-playbook", "--syntax-check", "--inventory", "inventory.example.yml", "site.yml")
    assert parsed.returncode == 0, parsed.stderr
    linted = run("ansible-lint", "--offline", "--profile", "production")
    assert linted.returncode == 0, linted.stdout + linted.stderr


@pytest.mark.parametrize(
    ("setting", "value"), [("loupe_port", "eighty"), ("loupe_threads", "many"), ("loupe_start_timeout_s", "1.5 min")]
)
def test_a_wrong_setting_stops_the_playbook_at_its_first_task(setting: str, value: str, tmp_path: Path) -> None:
    inventory = tmp_path / "inventory.json"
    host = {"ansible_connection": "local", "ansible_become": False, setting: value}
    inventory.write_text(json.dumps({"boxes": {"hosts": {"here": host}}}))
    played = run("ansible-playbook", "--check", "--inventory", str(inventory), "site.yml")
    assert played.returncode != 0
    assert f"'{setting}'" in played.stdout + played.stderr
    tasks = re.findall(r"^TASK \[(.*?)\]", played.stdout, re.MULTILINE)
    assert [task for task in tasks if "Gathering Facts" not in task and "Validating arguments" not in task] == []


@pytest.mark.parametrize(
    "names", ["loupe.clinic.example", ["http://loupe.clinic.example"], ["loupe.clinic.example:80"]]
)
def test_names_that_are_no_list_of_names_stop_it_before_anything_is_done(names: object, tmp_path: Path) -> None:
    inventory = tmp_path / "inventory.json"
    host = {"ansible_connection": "local", "ansible_become": False, "loupe_names": names}
    inventory.write_text(json.dumps({"boxes": {"hosts": {"here": host}}}))
    played = run("ansible-playbook", "--check", "--inventory", str(inventory), "site.yml")
    assert played.returncode != 0
    assert "loupe_names must be a list of DNS names" in played.stdout + played.stderr
    assert re.findall(r"^TASK \[(.*?)\]", played.stdout, re.MULTILINE)[-1].endswith("The names are a list of DNS names")


@pytest.mark.parametrize("code", ["garçon-1961-x", "a-line-with-an-end\n"])
def test_a_code_that_the_service_would_refuse_stops_it_and_is_not_shown(code: str, tmp_path: Path) -> None:
    inventory = tmp_path / "inventory.json"
    host = {"ansible_connection": "local", "ansible_become": False, "loupe_technician_code": code}
    inventory.write_text(json.dumps({"boxes": {"hosts": {"here": host}}}))
    played = run("ansible-playbook", "--check", "--diff", "-vvv", "--inventory", str(inventory), "site.yml")
    assert played.returncode != 0
    told = played.stdout + played.stderr
    assert "loupe_technician_code must have 12 to 128" in told
    assert code.strip() not in told


def test_every_setting_of_the_role_has_a_type_a_default_and_a_line_for_technicians() -> None:
    documented = (ROOT / "docs" / "technicians" / "index.md").read_text(encoding="utf-8")
    assert options().keys() == load(ROLE / "defaults" / "main.yml").keys()
    assert [name for name in options() if f"`{name}`" not in documented] == []


# What the role chooses itself: files from the workstation, the port of the page, as much memory as the board has.
OF_THE_ROLE = ("keys", "samples", "port", "decode_memory_mb")


@pytest.mark.parametrize("name", [name for name in SETTINGS if f"loupe_{name}" in options()])
def test_a_setting_that_the_role_repeats_has_the_type_and_default_of_the_program(name: str) -> None:
    setting, option = SETTINGS[name], options()[f"loupe_{name}"]
    kind = "bool" if setting.is_switch else "int" if setting.bounds else "list" if setting.is_list else "str"
    kind = "path" if setting.is_path else kind
    assert isinstance(option, dict)
    assert option["type"] == kind
    if name not in OF_THE_ROLE:
        default = load(ROLE / "defaults" / "main.yml")[f"loupe_{name}"]
        assert default == (list(setting.default) if isinstance(setting.default, tuple) else setting.default)
        shown = f"`{str(default).lower()}`" if setting.is_list or setting.is_switch else default
        assert f"| `loupe_{name}` | {shown} |" in (ROOT / "docs" / "technicians" / "index.md").read_text(
            encoding="utf-8"
        )


def test_the_service_accepts_the_settings_that_the_role_writes(tmp_path: Path) -> None:
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined)
    environment.filters |= {"basename": os.path.basename, "to_json": json.dumps}
    template = environment.from_string((ROLE / "templates" / "loupe.toml.j2").read_text(encoding="utf-8"))
    variables = load(ROLE / "defaults" / "main.yml") | load(ROLE / "vars" / "main.yml")
    variables["loupe_names"] = ["loupe.clinic.example"]
    memory = environment.from_string(variables["loupe_decode_memory_mb"])
    small, large = (memory.render(ansible_facts={"memtotal_mb": board}) for board in (906, 1840))
    assert (small, large) == (str(Settings().decode_memory_mb), "600")
    variables["loupe_decode_memory_mb"] = large
    written = tmp_path / "loupe.toml"
    written.write_text(template.render(variables | {"ansible_managed": "managed"}))
    settings = load_settings(written, {})
    assert settings.bundle == Path("/opt/loupe/models")
    assert settings.names == ("loupe.clinic.example",)
    assert settings.store == Path("/var/lib/loupe/loupe.sqlite")
    assert settings.keys == Path("/etc/loupe/keys")
    assert (settings.threads, settings.queue) == (Settings().threads, Settings().queue)
    assert settings.decode_memory_mb == 600
    assert settings.technician_code_file is None
    written.write_text(
        template.render(variables | {"ansible_managed": "managed", "loupe_technician_code": "correct-horse-9"})
    )
    assert load_settings(written, {}).technician_code_file == Path("/etc/loupe/technician-code")
    assert "correct-horse-9" not in written.read_text()


@pytest.mark.parametrize(
    ("swaps", "behind", "on_disk"),
    [
        ([], {}, []),
        (["/dev/sda5", "/var/swap"], {}, ["/dev/sda5", "/var/swap"]),
        (["/dev/zram0"], {}, []),  # of a kernel that never writes it back
        (["/dev/zram0", "/dev/zram1"], {"zram0": "none", "zram1": "/dev/loop0"}, ["/dev/zram1"]),
    ],
)
def test_swap_on_disk_is_found_and_swap_in_memory_left_alone(
    swaps: list[str], behind: dict[str, str], on_disk: list[str], tmp_path: Path
) -> None:
    (tmp_path / "proc").mkdir()
    lines = ["Filename\t\tType\t\tSize\t\tUsed\t\tPriority"]
    lines += [f"{swap}   partition\t102396\t\t0\t\t-2" for swap in swaps]
    (tmp_path / "proc" / "swaps").write_text("\n".join(lines) + "\n")
    for name, device in behind.items():
        (tmp_path / "sys" / "block" / name).mkdir(parents=True)
        (tmp_path / "sys" / "block" / name / "backing_dev").write_text(device + "\n")
    found = run("sh", str(ROLE / "files" / "swap_on_disk.sh"), str(tmp_path))
    assert (found.returncode, found.stdout.split()) == (0, on_disk), found.stderr
