package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"pcapaudit/classify/monitor"
	"pcapaudit/reports"
)

// alertFlags say where alerts go.
type alertFlags struct {
	file           string
	format         string
	severity       string
	syslog         string
	syslogSeverity string
	heartbeat      time.Duration
}

var alertSeverities = []string{"high", "medium", "low", "info"}

func (f *alertFlags) register(c *cobra.Command) {
	fl := c.Flags()
	fl.StringVar(&f.file, "alerts", "-", "append alerts to `FILE`; - is standard output, \"\" nowhere")
	fl.StringVar(&f.format, "alert-format", "", "`FORMAT` of alerts: text, json (one object a line); json where FILE ends in .json or .ndjson")
	fl.StringVar(&f.severity, "alert-severity", "info", "leave out findings below this `SEVERITY`: high, medium, low, info")
	fl.StringVar(&f.syslog, "syslog", "", "send alerts to syslog (RFC 5424) at `ADDR`: local, unix:PATH, udp:HOST:PORT, tcp:HOST:PORT")
	fl.StringVar(&f.syslogSeverity, "syslog-severity", "medium", "leave out findings below this `SEVERITY` in syslog: high, medium, low, info")
	fl.DurationVar(&f.heartbeat, "heartbeat", time.Hour, "tell every `TIME`, such as 10m, that all is well; 0: never")
	completeWords(c, "alert-format", "text", "json")
	completeWords(c, "alert-severity", alertSeverities...)
	completeWords(c, "syslog-severity", alertSeverities...)
}

// maxAlertsWaiting bounds the alerts that wait for a slow reader.
const maxAlertsWaiting = 4096

// alertSinks deliver alerts from a goroutine of their own, so that no reader of alerts costs a packet. What does not fit is counted.
type alertSinks struct {
	u       *ui
	flags   alertFlags
	zone    *time.Location
	queue   chan monitor.Alert
	again   chan struct{} // the file is to be opened again
	done    sync.WaitGroup
	started bool
	dropped atomic.Uint64

	file   *os.File // nil: standard output, or nowhere
	json   bool
	syslog *syslog // nil: not asked for
	failed bool    // the last write of the file did, and was told
}

func newAlertSinks(u *ui, f alertFlags, zone *time.Location) *alertSinks {
	return &alertSinks{u: u, flags: f, zone: zone, queue: make(chan monitor.Alert, maxAlertsWaiting), again: make(chan struct{}, 1)}
}

// open opens the file and finds out where syslog is; from then on alerts are delivered.
func (s *alertSinks) open() error {
	f := &s.flags
	for flag, word := range map[string]string{"--alert-severity": f.severity, "--syslog-severity": f.syslogSeverity} {
		if err := oneOf(flag, word, "high, medium, low or info", alertSeverities...); err != nil {
			return err
		}
	}
	switch f.format {
	case "text":
	case "json":
		s.json = true
	case "":
		s.json = bytes.HasSuffix([]byte(f.file), []byte("json"))
	default:
		return oneOf("--alert-format", f.format, "text or json", "text", "json")
	}
	var err error
	if f.syslog != "" {
		if s.syslog, err = newSyslog(f.syslog); err != nil {
			return exitError{exitUsage, err}
		}
	}
	if err := s.openFile(); err != nil {
		return err
	}
	s.started = true
	s.done.Go(s.deliver)
	return nil
}

func (s *alertSinks) openFile() error {
	if s.flags.file == "-" || s.flags.file == "" {
		return nil
	}
	file, err := os.OpenFile(s.flags.file, os.O_WRONLY|os.O_APPEND|os.O_CREATE|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0o640)
	switch {
	case errors.Is(err, syscall.ELOOP):
		return outputError(s.flags.file, errors.New("is a symbolic link"), "name the file that it stands for")
	case errors.Is(err, syscall.ENXIO):
		return outputError(s.flags.file, errors.New("is a pipe that nobody reads"), "begin to read it first")
	case err != nil:
		return outputError(s.flags.file, bare(err), "check that the directory exists and can be written")
	}
	s.file = file
	return nil
}

// reopen has the file opened again by its name: a log rotation has moved it.
func (s *alertSinks) reopen() {
	select {
	case s.again <- struct{}{}:
	default:
	}
}

// send is monitor.Options.Alert.
func (s *alertSinks) send(a monitor.Alert) {
	select {
	case s.queue <- a:
	default:
		s.dropped.Add(1)
	}
}

// deliver runs in a goroutine of its own.
func (s *alertSinks) deliver() {
	for {
		select {
		case a, open := <-s.queue:
			if !open {
				return
			}
			s.write(&a)
		case <-s.again:
			s.rotate()
		}
	}
}

// rotate goes on with the old file where it has not been moved, which --user may not be allowed to open again, or where a new one cannot be opened.
func (s *alertSinks) rotate() {
	old := s.file
	if old != nil && isFile(old, s.flags.file) {
		return
	}
	if err := s.openFile(); err != nil {
		s.u.explain(err)
		return
	}
	if old != nil {
		old.Close()
	}
}

// isFile says whether an open file is still the one of that name.
func isFile(f *os.File, name string) bool {
	open, err := f.Stat()
	if err != nil {
		return false
	}
	named, err := os.Lstat(name)
	return err == nil && os.SameFile(open, named)
}

func (s *alertSinks) write(a *monitor.Alert) {
	if s.flags.file != "" && passes(a, s.flags.severity) {
		s.writeLine(a)
	}
	if s.syslog != nil && passes(a, s.flags.syslogSeverity) {
		if err := s.syslog.send(a, reports.AlertText(a, s.zone)); err != nil {
			s.dropped.Add(1)
			s.syslog.tell(s.u, err)
		}
	}
}

func (s *alertSinks) writeLine(a *monitor.Alert) {
	to := io.Writer(s.file)
	if s.file == nil {
		to = s.u.out
	}
	line := []byte(reports.AlertLine(a, s.zone))
	if s.json {
		var err error
		if line, err = reports.AppendAlert(nil, a); err != nil {
			s.dropped.Add(1)
			return
		}
	}
	_, err := to.Write(append(bytes.TrimSuffix(line, []byte("\n")), '\n'))
	if err != nil && s.file != nil { // a stream counts for itself
		s.dropped.Add(1)
	}
	if err != nil && !s.failed {
		s.u.warn("alerts: %v; further ones are counted until they can be written again", bare(err))
	}
	s.failed = err != nil
}

// passes leaves out what is below a severity. What ends or is no finding always passes: it is rare, and silence would be worse.
func passes(a *monitor.Alert, least string) bool {
	switch a.Kind {
	case monitor.KindFinding, monitor.KindFlood, monitor.KindMissing:
		return slices.Index(alertSeverities, a.Severity) <= slices.Index(alertSeverities, least)
	}
	return true
}

// close delivers what waits, as far as that can be done in time.
func (s *alertSinks) close(until time.Time) {
	if !s.started {
		return
	}
	close(s.queue)
	delivered := make(chan struct{})
	go func() { s.done.Wait(); close(delivered) }()
	select {
	case <-delivered:
		if s.file != nil {
			s.file.Close()
		}
	case <-time.After(time.Until(until)):
		s.u.warn("%d alerts were not delivered", len(s.queue))
	}
}
