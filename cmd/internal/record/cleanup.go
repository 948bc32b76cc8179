package main

import (
	"errors"
	"os"
	"syscall"

	"pcapaudit/cmd/internal/netns"
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
		errs = append(errs, netns.Drop(space))
	}
	if l.dir != "" {
		errs = append(errs, os.RemoveAll(l.dir))
	}
	return errors.Join(errs...)
}
