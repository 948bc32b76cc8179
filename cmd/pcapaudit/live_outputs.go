package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"pcapaudit/capture"
	"pcapaudit/capture/flow"
	"pcapaudit/classify"
	"pcapaudit/classify/monitor"
	"pcapaudit/reports"
)

// restore goes on with the state that another run left, if there is one, and says whether it does. One that cannot be restored is set aside.
func (l *liveRun) restore() bool {
	if l.flags.state == "" {
		return false
	}
	err := l.readState()
	if errors.Is(err, os.ErrNotExist) {
		return false
	}
	if err != nil {
		aside := l.flags.state + ".refused"
		l.u.warn("%s: %v; a new period begins, and the file is kept as %s", l.flags.state, err, aside)
		if err := os.Rename(l.flags.state, aside); err != nil {
			l.u.warn("%v", err)
		}
		return false
	}
	return true
}

// readState restores the state file, which is read as it is restored: it may be larger than what memory is to be used for it.
func (l *liveRun) readState() error {
	st, err := os.Stat(l.flags.state)
	if err == nil && !st.Mode().IsRegular() {
		err = errors.New("it is no regular file")
	}
	if err != nil {
		return err
	}
	f, err := os.Open(l.flags.state)
	if err != nil {
		return err
	}
	defer f.Close()
	return l.mon.Restore(f, st.Size(), time.Now().UnixNano())
}

// named puts the beginning of a period where the name of an output asks for it.
func (l *liveRun) named(path string, began int64) string {
	return strings.ReplaceAll(path, periodMark, flow.Time(began).In(l.zone).Format("20060102T150405Z0700"))
}

func (l *liveRun) beginList() {
	if l.flags.connections != "" {
		l.list = newLiveList(l.files, l.listName())
	}
}

// listName is that of the list of the period. What a run before has listed of it is not replaced where the name says the time: the rest has its own.
func (l *liveRun) listName() string {
	name := l.named(l.flags.connections, l.began)
	if _, err := os.Lstat(name); l.rest != 0 && err == nil {
		return l.named(l.flags.connections, l.rest)
	}
	return name
}

// listed says what the list of the period does not hold.
func (l *liveRun) listed() []string {
	if l.rest == 0 || l.list == nil {
		return nil
	}
	return []string{fmt.Sprintf("the list of connections %s begins at %s, when the program was started again: connections of this period that ended before are not in it", l.list.path, flow.Stamp(l.rest))}
}

func (l *liveRun) endList() {
	if l.list != nil {
		l.list.end()
		l.list = nil
	}
}

func (l *liveRun) endPeriod(p *capture.Pulse) {
	p.EachActive(l.mon.Witness)
	audit, err := l.mon.EndPeriod(l.cut(p))
	l.broken(err)
	l.write(audit, l.began)
	l.endList()
	l.next(p.Now())
	l.rest = 0
	l.beginList()
	l.saved = 0 // a state of the period that has ended would have its report written again, with less in it
}

// maxNamed bounds the periods of which it is known that a report has their name.
const maxNamed = 64

// next gives the outputs of the period that begins their time. One that the clock was set back into has its report: the rest of it gets its own.
func (l *liveRun) next(now int64) {
	l.names = append(l.names, l.began)
	l.names = l.names[max(0, len(l.names)-maxNamed):]
	if l.began = l.mon.Period().From; slices.Contains(l.names, l.began) {
		l.began = now
	}
}

// snapshot writes the reports of the period so far.
func (l *liveRun) snapshot(p *capture.Pulse) {
	p.EachActive(l.mon.Witness)
	audit, err := l.mon.Snapshot(l.facts(p.Result()))
	l.broken(err)
	l.put(audit, l.began)
}

// write has the reports of a period written.
func (l *liveRun) write(a *classify.Audit, began int64) {
	l.worst = worse(l.worst, a.Result.Code)
	l.put(a, began)
}

// put has an audit written by the goroutine that writes files. A report that holds the last period does not go back to an earlier one.
func (l *liveRun) put(a *classify.Audit, began int64) {
	a.Warnings = append(append(a.Warnings, l.losses()...), l.listed()...)
	if l.held != nil {
		a.Tool.Sandbox = l.held.String()
	}
	l.serve.show(a, time.Now().UnixNano())
	lists := inventoryPaths(l.set.Site) // a reload changes the set
	l.files.put(l.named(periodMark, began), func(late bool) error {
		if len(l.flags.reports) == 0 {
			return l.printed(a)
		}
		out, err := l.outputs(began, late, lists)
		if err != nil {
			return err
		}
		if name := l.jsonReport(); name != "" {
			out.look.Audit = shellWord(l.named(name, began))
		}
		return l.files.whole(out, func() error { return out.render(a) })
	})
}

// outputs opens the reports of a period; where it is late, those that are its own. The site has hosts from lists, which no report replaces. It may run in any goroutine.
func (l *liveRun) outputs(began int64, late bool, lists []string) (*outputs, error) {
	f := &l.flags
	flags := outputFlags{}
	for _, name := range f.reports {
		if !late || strings.Contains(name, periodMark) {
			flags.reports = append(flags.reports, l.named(name, began))
		}
	}
	if len(flags.reports) > 0 {
		flags.sign = f.sign
	}
	return openOutputs(flags, append([]string{f.site, f.state, f.sign}, lists...))
}

// jsonReport is the first of --report that is JSON, as the flag has it; "" where none is.
func (l *liveRun) jsonReport() string {
	i := slices.IndexFunc(l.flags.reports, func(name string) bool { f, err := reports.ByPath(name); return err == nil && f.Name == "json" })
	if i < 0 {
		return ""
	}
	return l.flags.reports[i]
}

// reportForAlerts is monitor.Options.Report.
func (l *liveRun) reportForAlerts() (name, how string) {
	began := l.began
	if began == 0 { // a state is being restored
		began = l.mon.Period().From
	}
	switch name = l.jsonReport(); {
	case name != "":
		if full, err := filepath.Abs(name); err == nil {
			name = full
		}
		return shellWord(l.named(name, began)), "written at the end of the period, and at SIGUSR1"
	case l.flags.serve.listen != "":
		return "AUDIT.json", "as /api/audit of " + l.flags.serve.listen + " gives it"
	}
	return "AUDIT.json", "live --report AUDIT.json writes it at the end of the period, and at SIGUSR1"
}

// shellWord writes a name as one word of a command, as sh reads it.
func shellWord(name string) string {
	plain := func(r rune) bool { return r > ' ' && r < 0x7f && !strings.ContainsRune("|&;<>()$`\\\"'*?[]#~=%!{}", r) }
	if name != "" && strings.IndexFunc(name, func(r rune) bool { return !plain(r) }) < 0 {
		return name
	}
	return "'" + strings.ReplaceAll(name, "'", `'\''`) + "'"
}

// printed writes the text of an audit to standard output.
func (l *liveRun) printed(a *classify.Audit) error {
	var text bytes.Buffer
	err := l.format.Write(&text, a, l.style)
	if err == nil {
		_, err = l.u.out.Write(text.Bytes())
	}
	return outputFailed(err)
}

// losses are what did not get out.
func (l *liveRun) losses() []string {
	var list []string
	if n := l.alerts.dropped.Load(); n > 0 {
		list = append(list, fmt.Sprintf("%d alerts could not be delivered since the start", n))
	}
	if n := l.stdout.lost.Load(); n > 0 {
		list = append(list, fmt.Sprintf("%d alerts or reports could not be written to standard output since the start", n))
	}
	if n := l.files.dropped.Load(); n > 0 {
		list = append(list, fmt.Sprintf("%d reports could not be written since the start", n))
	}
	return list
}

// save writes a checkpoint.
func (l *liveRun) save(p *capture.Pulse) {
	saved, err := l.mon.Save(l.facts(p.Result()), p.EachOpen)
	if err != nil {
		l.u.warn("%v", err)
		return
	}
	l.files.put(stateKey, func(bool) error { return l.keep(saved) })
}

// keep gives the state file new content.
func (l *liveRun) keep(saved *monitor.Saved) error {
	file, err := createOutput(l.flags.state)
	if err != nil {
		return err
	}
	err = l.files.whole(&outputs{files: []*outputFile{file}}, func() error {
		err := saved.Encode(file)
		var failed *fs.PathError
		switch {
		case errors.As(err, &failed):
			return file.uncommitted(err)
		case err != nil:
			return exitError{exitOutput, err}
		}
		return nil
	})
	if err == nil {
		l.kept.Store(time.Now().UnixNano())
	}
	return err
}
