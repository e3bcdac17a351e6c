"""A disk that fills up while a stage writes: one line, exit status 2, and nothing half-written that looks finished."""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from small_project import REPOSITORY, make_project, run_stages, use_encoder, use_one_core
from tiny_encoder import make_bert

from threephase.base import errors
from threephase.base.files import new_file

RESOLVE, PREPARE, SPLIT = "resolve_settings", "prepare_data", "split_data --seed 0"
JOINT = "train_joint --encoder minilm_l6 --variant joint --seed 0"
STAGES = (RESOLVE, "fetch_data", PREPARE, SPLIT, "fetch_encoder --encoder minilm_l6", JOINT)
DISK_FULL = "the disk is full; no half-written file has a final name; free some space and run again"
TABLE = pd.DataFrame({"a": [1]})
WRITERS = {"text": lambda path: path.write_text("a"), "csv": TABLE.to_csv, "parquet": TABLE.to_parquet}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the device /dev/full")
@pytest.mark.parametrize("writer", WRITERS)
def test_a_full_disk_is_one_line_and_leaves_no_file(tmp_path, capsys, writer):
    def stage() -> None:
        with new_file(tmp_path / "output") as temporary:
            # A device that is always full gives the system's own error.
            temporary.symlink_to("/dev/full")
            WRITERS[writer](temporary)

    with pytest.raises(SystemExit) as end:
        errors.run_stage(stage)
    said = capsys.readouterr().err
    assert end.value.code == 2 and said == f"error: {tmp_path}/output: {DISK_FULL}\n" and said.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


# A disk of the project's size and BYTES_LEFT more, in a namespace of its own: no root needed, nothing left behind.
SMALL_DISK = """
mount -t tmpfs none "$DISK" && cp -r "$PROJECT/." "$DISK" && cd "$DISK"
mount -o remount,size=$(( $(df --output=used -B1 . | tail -1) + BYTES_LEFT )) "$DISK"
"$@"; status=$?
find . \\( -path "./$OUTPUT*" -o -name "*.tmp" \\) -printf "left behind: %p\\n"; exit $status
"""


@pytest.mark.parametrize(
    ("line", "bytes_left", "output"),
    [
        (PREPARE, 0, "runs/data/examples.parquet"),
        (SPLIT, 8192, "runs/splits/0"),
        # Enough for the tokenizer's files, too little for the weights.
        (JOINT, 81920, "runs/encoders/minilm_l6-joint/0"),
    ],
)
def test_a_full_disk_leaves_no_output_of_a_stage(tmp_path, line, bytes_left, output):
    namespace = ["unshare", "--user", "--map-root-user", "--mount"]
    try:
        subprocess.run([*namespace, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("user namespaces are not allowed here")
    project, disk = tmp_path / "project", tmp_path / "disk"
    project.mkdir()
    disk.mkdir()
    use_encoder(make_project(project), make_bert(tmp_path / "encoder"))
    run_stages(project, *STAGES[: STAGES.index(line)])
    settings = {"DISK": str(disk), "PROJECT": str(project), "BYTES_LEFT": str(bytes_left), "OUTPUT": output}
    stage = [sys.executable, "-B", "-m", "stages", *line.split()]
    result = subprocess.run(
        [*namespace, "bash", "-c", SMALL_DISK, "bash", *stage],
        env=os.environ | settings | {"PYTHONPATH": str(REPOSITORY)},
        preexec_fn=use_one_core,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 2, result.stderr
    assert result.stderr.endswith(f"{DISK_FULL}\n") and result.stderr.count("error: ") == 1
    assert "Traceback" not in result.stderr and "left behind" not in result.stdout
