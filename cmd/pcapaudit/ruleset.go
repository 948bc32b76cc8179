package main

import (
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"sync"

	"pcapaudit/reports"
	"pcapaudit/rules"
)

// problemsPrinted is returned after the problems of rule files went to stderr one by one.
type problemsPrinted struct {
	n     int
	first string
}

func (p problemsPrinted) Error() string {
	if p.n == 1 {
		return p.first
	}
	return fmt.Sprintf("%s (and %d more)", p.first, p.n-1)
}

// report prints problems; any error among them ends the run.
func (u *ui) report(problems []rules.Problem) error {
	var bad problemsPrinted
	for _, p := range problems {
		fmt.Fprintln(u.err, reports.Clean(p.String()))
		if p.Severity != rules.Error {
			continue
		}
		if bad.n++; bad.n == 1 {
			bad.first = p.String()
		}
	}
	if bad.n > 0 {
		return exitError{exitUsage, bad}
	}
	return nil
}

// loadPacks loads packs by name or path, beside each other, and prints all their problems.
func (u *ui) loadPacks(names []string) ([]*rules.Pack, error) {
	packs, problems := make([]*rules.Pack, len(names)), make([][]rules.Problem, len(names))
	var wait sync.WaitGroup
	for i, name := range names {
		wait.Go(func() { packs[i], problems[i] = rules.LoadPack(name) })
	}
	wait.Wait()
	return packs, u.report(slices.Concat(problems...))
}

// ruleSet loads and compiles packs and site; warnings go to stderr and into the report.
func (u *ui) ruleSet(f auditFlags) (*rules.Set, []string, error) {
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // nearly all of it stays: to collect as often as otherwise is a quarter of a start
	var site *rules.Site
	var warnings []string
	if f.site != "" {
		s, problems := rules.LoadSite(f.site)
		if err := u.report(problems); err != nil {
			return nil, nil, err
		}
		site, warnings = s, warningTexts(problems)
	}
	packs, err := u.loadPacks(packNames(f, site))
	if err != nil {
		return nil, nil, err
	}
	set, problems := rules.Compile(packs, site)
	return set, append(warnings, warningTexts(problems)...), u.report(problems)
}

// packNames are the packs of an audit: those named, else those that the site binds, else all; with a site also the baseline packs.
func packNames(f auditFlags, site *rules.Site) []string {
	names := slices.Clone(f.rules)
	for _, b := range rules.Builtin() {
		bound := site != nil && binds(site, b.Name)
		unnamed := len(f.rules) == 0 && (site == nil || bound)
		baseline := site != nil && b.Kind == rules.Baseline && !f.noBaseline
		if (unnamed || baseline) && !slices.Contains(names, b.Name) {
			names = append(names, b.Name)
		}
	}
	return names
}

func binds(site *rules.Site, pack string) bool {
	return slices.ContainsFunc(site.Hosts, func(h *rules.Host) bool {
		return slices.ContainsFunc(h.Roles, func(role string) bool { return strings.HasPrefix(role, pack+"/") })
	})
}

func warningTexts(problems []rules.Problem) []string {
	var texts []string
	for _, p := range problems {
		if p.Severity == rules.Warning {
			texts = append(texts, p.String())
		}
	}
	return texts
}

func builtinNames() []string {
	var names []string
	for _, b := range rules.Builtin() {
		names = append(names, b.Name)
	}
	return names
}
