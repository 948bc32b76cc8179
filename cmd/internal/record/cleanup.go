package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// close ends every process of the lab and takes the namespaces down. It runs whatever happened before, a signal included.
func (l *lab) close() error {
	var errs []error
	for _, s := range l.flows {
		s.conn.Close()
	}
	for i := len(l.closers) - 1; i >= 0; i-- {
		l.closers[i]()
	}
	for _, c := range l.cmds {
		syscall.Kill(-c.Process.Pid, syscall.SIGKILL)
		c.Wait()
	}
	for _, space := range l.spaces {
		errs = append(errs, dropSpace(space))
	}
	if l.dir != "" {
		errs = append(errs, os.RemoveAll(l.dir))
	}
	return errors.Join(errs...)
}

// dropSpace ends the processes that are left in a namespace of ours, servers that went into the background, and deletes it.
func dropSpace(space string) error {
	for range 20 {
		out, err := exec.Command("ip", "netns", "pids", space).Output()
		if err != nil || len(out) == 0 {
			break
		}
		for _, f := range strings.Fields(string(out)) {
			if pid, err := strconv.Atoi(f); err == nil && pid != os.Getpid() {
				syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	if out, err := exec.Command("ip", "netns", "del", space).CombinedOutput(); err != nil {
		return fmt.Errorf("delete namespace %s: %w: %s", space, err, out)
	}
	return nil
}
