package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"pcapaudit/capture"
	"pcapaudit/capture/flow"
	"pcapaudit/capture/sandbox"
	"pcapaudit/classify"
	"pcapaudit/classify/monitor"
	"pcapaudit/reports"
	"pcapaudit/rules"
)

// liveRun joins capture, monitor and outputs. Its methods run in the goroutine of the capture, unless they say otherwise.
type liveRun struct {
	u       *ui
	flags   liveFlags
	zone    *time.Location
	set     *rules.Set
	held    sandbox.Enforced // what the sandbox keeps from this process; nil: it is off
	program string           // the kernel's filter, in words
	machine string           // that this is, see machineID
	mon     *monitor.Monitor
	alerts  *alertSinks
	files   *liveFiles
	loader  *ruleLoader
	locks   locks
	notify  notifier
	stdout  *stream
	stderr  *stream
	style   reports.Look // of reports on standard output
	format  reports.Format
	list    *liveList  // of the period; nil: not asked for
	serve   *liveServe // nil: not asked for
	acks    *ackLoader // nil: not asked for

	signals    chan os.Signal
	pulse      *capture.Pulse   // during a tick
	blind      map[string]bool  // interfaces that are
	known      map[string]known // of interfaces
	began      int64            // of the period, as outputs have it in their names
	rest       int64            // since when connections of the period are listed, where a run before began it; 0: since its beginning
	names      []int64          // of periods that have ended
	looked     int64            // packet clock of the last look at the interfaces
	saved      int64            // of the last checkpoint
	kept       atomic.Int64     // when the last checkpoint was written, ns since 1970
	reloads    uint64           // of rules that were taken
	refused    uint64           // of rules that were not
	unchanged  bool             // the last one was not
	worst      int              // exit code of the periods that ended
	unbalanced error            // the first ledger that did not balance
}

// lookEvery is the time between two looks at the state of interfaces.
const lookEvery = int64(500 * time.Millisecond)

// maxFarewell is how long the end of the run waits for those who take alerts, and for the readers of standard streams.
const maxFarewell = 4 * time.Second

// newLiveRun has the standard streams of u written in the background, until release.
func newLiveRun(u *ui, f liveFlags, zone *time.Location, set *rules.Set, signals chan os.Signal) (*liveRun, error) {
	look, format, err := u.rendering("table", false, oscalFlags{})
	if err != nil {
		return nil, err
	}
	l := &liveRun{u: u, flags: f, zone: zone, set: set, alerts: newAlertSinks(u, f.alerts, zone), files: newLiveFiles(u), loader: newRuleLoader(u, f.ruleFlags()),
		machine: machineID("/etc/machine-id"), style: look, format: format, signals: signals, blind: map[string]bool{}, known: map[string]known{}}
	l.stderr = newStream(u.err, nil)
	l.stdout = newStream(u.out, func(err error) {
		u.warn("standard output: %v; what goes there is counted until it can be written again", bare(err))
	})
	u.out, u.err = l.stdout, l.stderr
	begun := time.Now()
	if l.notify, err = openNotifier(os.Getenv, func() time.Duration { return time.Since(begun) }); err != nil {
		u.warn("the service manager is not told how things are: %v", err)
	}
	return l, nil
}

// release gives the standard streams back, where they are read.
func (l *liveRun) release() {
	until := time.Now().Add(time.Second)
	if l.stdout.close(until) == nil {
		l.u.out = l.stdout.to
	}
	if l.stderr.close(until) == nil {
		l.u.err = l.stderr.to
	}
}

// begin is called when the interfaces are being watched, before the first packet is looked at.
func (l *liveRun) begin() error {
	if err := l.locks.take(append([]string{l.flags.state, l.flags.connections}, l.flags.reports...)); err != nil {
		return err
	}
	if err := l.prepare(); err != nil {
		return err
	}
	if err := l.alerts.open(); err != nil {
		return err
	}
	l.acks.take(l.mon, time.Now().UnixNano()) // before a state is restored, which tells of connections that were open
	restored := l.restore()
	l.began = l.mon.Period().From
	if restored && l.flags.connections != "" {
		l.rest = time.Now().UnixNano()
	}
	held, err := l.confine()
	if err != nil {
		return err
	}
	if err := l.writable(); err != nil { // by --user, and within the sandbox
		return err
	}
	l.acks.start()
	l.files.start()
	l.loader.start(l.set)
	l.beginList()
	l.serve.start(time.Now().UnixNano())
	watching := "watching " + reports.Clean(strings.Join(l.flags.interfaces, ", "))
	fmt.Fprintf(l.u.err, "pcapaudit: %s\n", watching)
	if held != nil {
		l.held = held
		fmt.Fprintf(l.u.err, "pcapaudit: %s\n", held)
	}
	l.notify.ready(watching)
	return nil
}

// tick is capture.LiveConfig.Tick.
func (l *liveRun) tick(p *capture.Pulse) {
	l.pulse = p
	defer func() { l.pulse = nil }()
	now := p.Now()
	if now-l.looked >= lookEvery || now < l.looked {
		l.looked = now
		l.look(now, p.Result())
	}
	l.mon.Tick(now)
	l.acks.heed(l.mon, now)
	l.heed(p)
	if l.mon.Due(now) {
		l.endPeriod(p)
	}
	if l.flags.state != "" && (now-l.saved >= int64(l.flags.checkpoint) || now < l.saved) && l.files.idle() {
		l.saved = now
		l.save(p)
	}
	l.serve.tick(l, p)
	l.notify.tick(func() string { return l.status(p.Result()) })
}

// alert is monitor.Options.Alert.
func (l *liveRun) alert(a monitor.Alert) {
	l.alerts.send(a)
	l.serve.alert(a)
}

// judged is monitor.Options.OnJudged.
func (l *liveRun) judged(c *flow.Conn, j classify.Judgement) {
	l.serve.judged(j.Verdict)
	if l.list != nil {
		l.list.add(c, j)
	}
}

// eachOpen is monitor.Options.Open.
func (l *liveRun) eachOpen(f func(*flow.Conn)) {
	if l.pulse != nil {
		l.pulse.EachActive(f)
	}
}

// heed does what signals ask for, once each, and takes rules that were loaded.
func (l *liveRun) heed(p *capture.Pulse) {
	asked := map[os.Signal]bool{}
	for range len(l.signals) {
		asked[<-l.signals] = true
	}
	if asked[syscall.SIGHUP] {
		l.alerts.reopen()
		l.loader.ask()
		l.serve.renew()
		l.notify.reload()
	}
	if asked[syscall.SIGUSR1] {
		l.snapshot(p)
	}
	select {
	case next := <-l.loader.loaded:
		l.reload(p, next)
	default:
	}
	if l.notify.reloading && !l.loader.busy() {
		l.notify.reloaded()
	}
}

// reload has other rules hold from now on, or says why not.
func (l *liveRun) reload(p *capture.Pulse, next loadedRules) {
	err := next.err
	if err == nil && l.flags.siteFilter && !slices.Equal(l.set.Judged(), next.set.Judged()) {
		err = errors.New("the networks of the site have changed, and --site-filter holds the old ones: restart")
	}
	if l.unchanged = err != nil; l.unchanged {
		l.refused++
		l.mon.ReloadRefused(p.Now(), err)
		return
	}
	l.reloads++
	p.EachActive(l.mon.Witness)
	l.broken(l.mon.Reload(next.set, next.warnings, l.cut(p)))
	l.set = next.set
	l.loader.hold(next.set)
}

// broken notes an error of the monitor: a ledger that does not balance, or a report that could not be made.
func (l *liveRun) broken(err error) {
	if err == nil {
		return
	}
	l.u.warn("%v", err)
	if l.unbalanced == nil {
		l.unbalanced = err
	}
}

// end writes the last report, and gives the error of the run.
func (l *liveRun) end(result *capture.Result, failed error) error {
	defer l.locks.release()
	defer l.notify.close()
	l.notify.stop()
	if result == nil {
		l.alerts.close(time.Now().Add(time.Second))
		return liveFailed(failed)
	}
	until := time.Now().Add(maxFarewell)
	l.files.patient = true
	facts := l.facts(result)
	if l.flags.state != "" {
		if saved, err := l.mon.Save(facts, nil); err == nil {
			l.files.put(stateKey, func(bool) error { return l.keep(saved) })
		}
	}
	audit, err := l.mon.EndPeriod(facts)
	l.broken(err)
	l.write(audit, l.began)
	l.endList()
	l.alerts.close(until)
	l.u.verdict = l.worst
	errs := []error{l.files.close(), outputFailed(l.stdout.close(until))}
	if l.unbalanced != nil {
		errs = append(errs, exitError{exitLedger, l.unbalanced})
	}
	switch {
	case failed == nil:
	case result.Balanced() != nil:
		errs = append(errs, exitError{exitLedger, failed})
	default:
		errs = append(errs, liveFailed(failed))
	}
	return errors.Join(errs...)
}

// liveFailed gives an error of watching its exit code and advice.
func liveFailed(err error) error {
	var decided exitError
	var on *capture.LiveError
	switch {
	case errors.As(err, &decided):
		return err
	case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.EACCES):
		return exitError{exitCapture, hint(err, "run as root, or give the program the right: setcap cap_net_raw=ep pcapaudit")}
	case errors.As(err, &on):
		advice := "name interfaces that are there: ip link"
		if n := rules.Nearest(on.Interface, interfaces()); n != "" && n != on.Interface {
			advice = "did you mean " + n + "?"
		}
		return exitError{exitCapture, hint(err, "%s", advice)}
	}
	return exitError{exitCapture, err}
}

// abandon is for a second signal: nothing more is written.
func (l *liveRun) abandon() { l.files.abandon() }
