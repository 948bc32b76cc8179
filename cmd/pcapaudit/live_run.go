package main

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"pcapaudit/capture"
	"pcapaudit/capture/flow"
	"pcapaudit/classify"
	"pcapaudit/classify/monitor"
	"pcapaudit/reports"
	"pcapaudit/rules"
)

// liveRun joins capture, monitor and outputs. Its methods run in the goroutine of the capture, unless they say otherwise.
type liveRun struct {
	u      *ui
	flags  liveFlags
	zone   *time.Location
	set    *rules.Set
	mon    *monitor.Monitor
	alerts *alertSinks
	files  *liveFiles
	loader *ruleLoader
	locks  locks
	list   *liveList // of the period; nil: not asked for

	signals    chan os.Signal
	pulse      *capture.Pulse // during a tick
	blind      map[string]bool
	looked     int64 // packet clock of the last look at the interfaces
	saved      int64 // of the last checkpoint
	worst      int   // exit code of the periods that ended
	unbalanced error // the first ledger that did not balance
}

// lookEvery is the time between two looks at the state of interfaces.
const lookEvery = int64(500 * time.Millisecond)

func newLiveRun(u *ui, f liveFlags, zone *time.Location, set *rules.Set) *liveRun {
	u.out = &shared{to: u.out}
	u.err = &shared{to: u.err}
	return &liveRun{u: u, flags: f, zone: zone, set: set, alerts: newAlertSinks(u, f.alerts, zone), files: newLiveFiles(u), loader: newRuleLoader(u, f.ruleFlags()),
		signals: make(chan os.Signal, 8), blind: map[string]bool{}}
}

// begin is called when the interfaces are being watched, before the first packet is looked at.
func (l *liveRun) begin() error {
	if err := l.locks.take(append([]string{l.flags.state, l.flags.connections}, l.flags.reports...)); err != nil {
		return err
	}
	if err := l.alerts.open(); err != nil {
		return err
	}
	l.restore()
	signal.Notify(l.signals, syscall.SIGHUP, syscall.SIGUSR1)
	l.files.start()
	l.loader.start(l.set)
	l.beginList()
	fmt.Fprintf(l.u.err, "pcapaudit: watching %s\n", reports.Clean(strings.Join(l.flags.interfaces, ", ")))
	return nil
}

// restore goes on with the state that another run left, if there is one. One that cannot be restored is set aside.
func (l *liveRun) restore() {
	if l.flags.state == "" {
		return
	}
	data, err := readBounded(l.flags.state, monitor.MaxCheckpoint)
	if errors.Is(err, os.ErrNotExist) {
		return
	}
	if err == nil {
		err = l.mon.Restore(data, time.Now().UnixNano())
	}
	if err != nil {
		aside := l.flags.state + ".refused"
		l.u.warn("%s: %v; a new period begins, and the file is kept as %s", l.flags.state, err, aside)
		if err := os.Rename(l.flags.state, aside); err != nil {
			l.u.warn("%v", err)
		}
	}
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
	l.heed(p)
	if l.mon.Due(now) {
		l.endPeriod(p)
	}
	if l.flags.state != "" && (now-l.saved >= int64(l.flags.checkpoint) || now < l.saved) {
		l.saved = now
		l.save(p)
	}
}

// named puts the beginning of a period where the name of an output asks for it.
func (l *liveRun) named(path string, began int64) string {
	return strings.ReplaceAll(path, periodMark, flow.Time(began).In(l.zone).Format("20060102T150405Z0700"))
}

func (l *liveRun) beginList() {
	if l.flags.connections != "" {
		l.list = newLiveList(l.files, l.named(l.flags.connections, l.mon.Period().From))
	}
}

func (l *liveRun) endList() {
	if l.list != nil {
		l.list.end()
		l.list = nil
	}
}

// judged is monitor.Options.OnJudged.
func (l *liveRun) judged(c *flow.Conn, j classify.Judgement) {
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

// look tells the monitor which interfaces are not watched.
func (l *liveRun) look(now int64, r *capture.Result) {
	for i := range r.Live {
		in := &r.Live[i]
		blind := in.State != capture.LinkUp
		switch {
		case blind && !l.blind[in.Name]:
			l.mon.Blind(now, in.Name, in.State.String())
		case !blind && l.blind[in.Name]:
			l.mon.Seeing(now, in.Name)
		}
		l.blind[in.Name] = blind
	}
}

// heed does what signals ask for, and takes rules that were loaded.
func (l *liveRun) heed(p *capture.Pulse) {
	for {
		select {
		case s := <-l.signals:
			if s == syscall.SIGHUP {
				l.alerts.reopen()
				l.loader.ask()
				continue
			}
			l.snapshot(p)
		case next := <-l.loader.loaded:
			l.reload(p, next)
		default:
			return
		}
	}
}

// reload has other rules hold from now on, or says why not.
func (l *liveRun) reload(p *capture.Pulse, next loadedRules) {
	err := next.err
	if err == nil && l.flags.siteFilter && !sameNetworks(l.set, next.set) {
		err = errors.New("the networks of the site have changed, and --site-filter holds the old ones: restart")
	}
	if err != nil {
		l.mon.ReloadRefused(p.Now(), err)
		return
	}
	p.EachActive(l.mon.Witness)
	if err := l.mon.Reload(next.set, next.warnings, captureFacts(p.Cut())); err != nil {
		l.broken(err)
		if !errors.Is(err, classify.ErrLedger) {
			return
		}
	}
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

func (l *liveRun) endPeriod(p *capture.Pulse) {
	began := l.mon.Period().From
	p.EachActive(l.mon.Witness)
	audit, err := l.mon.EndPeriod(captureFacts(p.Cut()))
	l.broken(err)
	l.write(audit, began)
	l.endList()
	l.beginList()
}

// snapshot writes the reports of the period so far.
func (l *liveRun) snapshot(p *capture.Pulse) {
	p.EachActive(l.mon.Witness)
	audit, err := l.mon.Snapshot(captureFacts(p.Result()))
	l.broken(err)
	l.files.put(l.reports(audit, l.mon.Period().From))
}

// write has the reports of a period written.
func (l *liveRun) write(a *classify.Audit, began int64) {
	l.worst = worse(l.worst, a.Result.Code)
	l.files.put(l.reports(a, began))
}

// reports is the writing of an audit, for the goroutine that writes files.
func (l *liveRun) reports(a *classify.Audit, began int64) func() error {
	f := l.flags
	a.Warnings = append(a.Warnings, l.losses()...)
	return func() error {
		if len(f.reports) == 0 {
			return l.printed(a)
		}
		flags := outputFlags{sign: f.sign}
		for _, name := range f.reports {
			flags.reports = append(flags.reports, l.named(name, began))
		}
		out, err := openOutputs(flags, []string{f.site, f.state, f.sign})
		if err != nil {
			return err
		}
		l.files.current.Store(out)
		defer l.files.current.Store(nil)
		defer out.discard()
		if err := out.render(a); err != nil {
			return err
		}
		return out.commit()
	}
}

// printed writes the text of an audit to standard output.
func (l *liveRun) printed(a *classify.Audit) error {
	look, format, err := l.u.rendering("table", false, oscalFlags{})
	if err != nil {
		return err
	}
	return outputFailed(format.Write(l.u.out, a, look))
}

// losses are what did not get out.
func (l *liveRun) losses() []string {
	var list []string
	if n := l.alerts.dropped.Load(); n > 0 {
		list = append(list, fmt.Sprintf("%d alerts could not be delivered since the start", n))
	}
	if n := l.files.dropped.Load(); n > 0 {
		list = append(list, fmt.Sprintf("%d reports could not be written since the start", n))
	}
	return list
}

// save writes a checkpoint, unless the last one is still being written.
func (l *liveRun) save(p *capture.Pulse) {
	if !l.files.idle() {
		return
	}
	p.EachActive(l.mon.Witness)
	data, err := l.mon.Checkpoint(captureFacts(p.Result()))
	if err != nil {
		l.u.warn("%v", err)
		return
	}
	l.files.put(func() error { return l.keep(data) })
}

// keep gives the state file new content.
func (l *liveRun) keep(data []byte) error {
	file, err := createOutput(l.flags.state)
	if err != nil {
		return err
	}
	defer file.discard()
	if _, err := file.Write(data); err != nil {
		return file.uncommitted(err)
	}
	return file.commit()
}

// end writes the last report, and gives the error of the run.
func (l *liveRun) end(result *capture.Result, failed error) error {
	defer l.locks.release()
	if result == nil {
		l.alerts.close()
		return liveFailed(failed)
	}
	began := l.mon.Period().From
	facts := captureFacts(result)
	if l.flags.state != "" {
		if data, err := l.mon.Checkpoint(facts); err == nil {
			l.files.put(func() error { return l.keep(data) })
		}
	}
	audit, err := l.mon.EndPeriod(facts)
	l.broken(err)
	l.write(audit, began)
	l.endList()
	l.alerts.close()
	l.u.verdict = l.worst
	errs := []error{l.files.close()}
	if l.unbalanced != nil {
		errs = append(errs, exitError{exitLedger, l.unbalanced})
	}
	if failed != nil {
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
		return exitError{exitCapture, hint(err, "name interfaces that are there: ip link")}
	}
	return exitError{exitCapture, err}
}

// abandon is for a second signal: nothing more is written.
func (l *liveRun) abandon() { l.files.abandon() }

// siteNetworks are the networks and hosts of the site.
func siteNetworks(set *rules.Set) ([]netip.Prefix, error) {
	list := append([]netip.Prefix{}, set.Networks()...)
	for _, h := range set.Site.Hosts {
		for _, a := range h.Addresses {
			p, err := netip.ParsePrefix(a.Address)
			if one, bad := netip.ParseAddr(a.Address); bad == nil {
				p, err = netip.PrefixFrom(one, one.BitLen()), nil
			}
			if err != nil {
				return nil, hint(fmt.Errorf("host %s has the range %s, which no filter program holds", h.Name, a.Address), "write it as prefixes, or leave --site-filter out")
			}
			list = append(list, p)
		}
	}
	return list, nil
}

func sameNetworks(a, b *rules.Set) bool {
	x, errX := siteNetworks(a)
	y, errY := siteNetworks(b)
	return errX == nil && errY == nil && fmt.Sprint(x) == fmt.Sprint(y)
}
