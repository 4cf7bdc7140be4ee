#!/bin/sh
# `pwd -P` leaves the slot's symlink, so that `ps` shows which release a process belongs to.
release=$(cd "$(dirname "$0")/.." && pwd -P) || exit 1
cd "$release"/%{workdir} || exit 1
%{given}