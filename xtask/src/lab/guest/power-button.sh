#!/bin/sh
# Called by acpid when the power button is pressed.
sync
mount -o remount,ro /
busybox poweroff -f
