package main

import (
	"fmt"
	"strings"
	"testing"

	"pcapaudit/classify"
)

// TestRulesThatHeldBefore holds that verify says which packs and sites of a live audit it did not see, and takes those that are given.
func TestRulesThatHeldBefore(t *testing.T) {
	pack := func(sum string) []classify.PackRef { return []classify.PackRef{{Name: "bench", SHA256: sum}} }
	site := func(sum, list string) *classify.SiteRef {
		return &classify.SiteRef{File: "site.yaml", SHA256: sum, Inventories: []classify.InventoryRef{{File: "hosts.csv", SHA256: list}}}
	}
	a := &classify.Audit{Packs: pack("p3"), Site: site("s2", "h2"), Rules: []classify.RulesHeld{
		{Until: "T1", Packs: pack("p1"), Site: site("s1", "h1")}, {Until: "T2", Packs: pack("p2"), Site: site("s1", "h2")}, {Until: "T3", Packs: pack("p1"), Site: site("s2", "h2")}, {Until: "T4", Packs: pack("p3"), Site: site("s2", "h2")}}}
	v := &verification{audit: a, given: []givenFile{{path: "old/pack.yaml", sum: "p2", named: true}, {path: "other", sum: "x", named: true}}}
	v.heldBefore()
	want := `pack       bench, in force until T1, was not checked: give the file of then, sha256 p1
site       site.yaml, in force until T1, was not checked: give the file of then, sha256 s1
inventory  hosts.csv, in force until T1, was not checked: give the file of then, sha256 h1
pack       bench, in force until T2, holds, as old/pack.yaml`
	if got := strings.Join(v.lines, "\n"); got != want || !v.given[0].used || v.given[1].used || v.doubts() != 0 {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	a.Rules = nil
	for i := range 100 {
		a.Rules = append(a.Rules, classify.RulesHeld{Packs: pack(fmt.Sprint("q", i))})
	}
	v = &verification{audit: a}
	if v.heldBefore(); len(v.lines) > maxHeldTold+2 || !strings.HasSuffix(v.lines[len(v.lines)-1], "more packs and sites that were in force earlier") {
		t.Errorf("%d lines, the last %q", len(v.lines), v.lines[len(v.lines)-1])
	}
}
