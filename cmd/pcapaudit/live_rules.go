package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"pcapaudit/rules"
)

// ruleLoader loads packs and site anew in a goroutine of its own, when it is asked to or when their files change.
type ruleLoader struct {
	u      *ui
	flags  auditFlags
	asked  chan struct{}
	loaded chan loadedRules
	held   atomic.Pointer[string]   // identity of the rules in force
	lists  atomic.Pointer[[]string] // paths of their inventories
	owed   atomic.Int32             // requests that were not answered yet
}

// loadedRules are a set to take, or the error why there is none.
type loadedRules struct {
	set      *rules.Set
	warnings []string
	err      error
}

// lookForRules is the time between two looks at the files. One that changed is loaded when it has been the same at two looks: somebody may still
// be writing it.
const lookForRules = time.Second

func newRuleLoader(u *ui, f auditFlags) *ruleLoader {
	return &ruleLoader{u: u, flags: f, asked: make(chan struct{}, 1), loaded: make(chan loadedRules, 1)}
}

// start begins to look, with set in force.
func (l *ruleLoader) start(set *rules.Set) {
	l.hold(set)
	go l.run()
}

// hold says that a set is in force.
func (l *ruleLoader) hold(set *rules.Set) {
	id := identity(set)
	l.held.Store(&id)
	lists := inventoryPaths(set.Site)
	l.lists.Store(&lists)
}

// ask has everything loaded anew.
func (l *ruleLoader) ask() {
	select {
	case l.asked <- struct{}{}:
		l.owed.Add(1)
	default:
	}
}

// busy is true from ask until its answer, where there is one, was received.
func (l *ruleLoader) busy() bool { return l.owed.Load() > 0 || len(l.loaded) > 0 }

func (l *ruleLoader) run() {
	look := time.NewTicker(lookForRules)
	defer look.Stop()
	taken, before := l.stamps(), ""
	for {
		select {
		case <-l.asked:
			taken = l.stamps()
			l.load(true)
			l.owed.Add(-1)
		case <-look.C:
			now := l.stamps()
			if now != taken && now == before {
				taken = now
				l.load(false)
			}
			before = now
		}
	}
}

// stamps tell whether a file has changed.
func (l *ruleLoader) stamps() string {
	var b strings.Builder
	for _, name := range slices.Concat([]string{l.flags.site}, l.flags.rules, *l.lists.Load()) {
		st, err := os.Stat(name)
		switch {
		case err == nil:
			fmt.Fprintf(&b, "%s %d %d\n", name, st.Size(), st.ModTime().UnixNano())
		case !errors.Is(err, fs.ErrNotExist):
			fmt.Fprintf(&b, "%s %v\n", name, err)
		}
	}
	return b.String()
}

// load gives a set that differs from the one in force, or the error. Problems of the files go to standard error.
func (l *ruleLoader) load(asked bool) {
	set, warnings, err := l.u.ruleSet(l.flags)
	if err == nil && identity(set) == *l.held.Load() {
		if asked {
			fmt.Fprintln(l.u.err, "pcapaudit: rules and site are what they were")
		}
		return
	}
	l.loaded <- loadedRules{set, warnings, err}
}

// inventoryPaths are the files that a site has hosts from; it may be nil.
func inventoryPaths(site *rules.Site) []string {
	var list []string
	if site != nil {
		for _, v := range site.HostsFrom {
			list = append(list, v.Path)
		}
	}
	return list
}

// identity tells sets apart by the bytes that they were made of.
func identity(set *rules.Set) string {
	var b strings.Builder
	for _, p := range set.Packs {
		b.WriteString(p.Name + " " + p.SHA256 + "\n")
	}
	if set.Site != nil {
		b.WriteString(set.Site.SHA256)
		for _, v := range set.Site.HostsFrom {
			b.WriteString(" " + v.SHA256)
		}
	}
	return b.String()
}
