"""Records hold no secrets: these lie beside them, for their owner alone."""

import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from support.steps import cluster
from support.users import AS_ROOT, PEOPLE

from slurm import owner
from slurm.record.files import read_json
from slurm.record.formats import read_record, write_record
from slurm.scheduler.cluster import Cluster

SITE = cluster(env={"HF_TOKEN": "abcdef", "SLURM_CONF": "/etc/slurm.conf"}, setup=["export A_KEY=b A_TOKEN=abcdef"])


@pytest.fixture
def record(tmp_path: Path) -> Path:
    write_record(tmp_path / "cluster.json", SITE)
    return tmp_path / "cluster.json"


def beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.secret")


def test_secrets_lie_beside_their_record_for_its_owner_alone(record: Path) -> None:
    assert "abcdef" not in record.read_text()
    assert stat.S_IMODE(beside(record).stat().st_mode) == 0o600
    assert read_record(record, Cluster) == SITE


def test_a_record_that_has_none_any_more_has_no_file_beside_it(record: Path) -> None:
    write_record(record, replace(SITE, env={}, setup=[]))
    assert not beside(record).exists()
    assert read_record(record, Cluster).env == {}


def test_records_can_be_written_by_their_owner_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o002)
    try:
        write_record(tmp_path / "a.json", SITE)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.json").stat().st_mode) == 0o644


@AS_ROOT
def test_of_anothers_record_nothing_is_taken_that_is_his_to_say(record: Path) -> None:
    write_record(record, replace(SITE, trust=["root"], env_file="/home/other/env"))
    os.chown(record, PEOPLE[0].pw_uid, -1)
    with owner.reading():
        looked = read_record(record, Cluster)
    assert (looked.env, looked.env_file, looked.trust) == ({}, None, [])
    owner.trust([PEOPLE[0].pw_name])
    try:
        trusted = read_record(record, Cluster)
    finally:
        owner._trusted.clear()
    assert (trusted.env_file, trusted.trust) == ("/home/other/env", [])


@AS_ROOT
def test_a_field_that_an_unknown_user_put_into_a_record_is_not_kept(record: Path) -> None:
    record.write_text('{"format": 1, "later": "evil"}')
    os.chown(record, PEOPLE[0].pw_uid, -1)
    write_record(record, SITE)
    assert "later" not in read_json(record)
