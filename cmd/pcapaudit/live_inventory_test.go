package main

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// A changed inventory is a changed site: the loader looks at it, loads it, and finds another set.
func TestLoaderLooksAtInventories(t *testing.T) {
	dir := t.TempDir()
	site, list := filepath.Join(dir, "site.yaml"), filepath.Join(dir, "lists", "hosts.csv")
	if err := os.Mkdir(filepath.Dir(list), 0o700); err != nil {
		t.Fatal(err)
	}
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(site, "hosts:\n  - {name: ams, addresses: [10.20.0.10], roles: [acronis-abr-11.5/management-server]}\nhosts_from:\n  - {file: lists/hosts.csv, kind: csv, columns: {address: IP}}\n")
	write(list, "IP\n10.20.0.50\n")
	u := &ui{out: io.Discard, err: io.Discard}
	l := newRuleLoader(u, auditFlags{rules: []string{"acronis-abr-11.5"}, site: site, noBaseline: true})
	set, _, err := u.ruleSet(l.flags)
	if err != nil {
		t.Fatal(err)
	}
	if got := inventoryPaths(set.Site); !slices.Equal(got, []string{list}) {
		t.Fatalf("inventories %v", got)
	}
	if got := replaceable(list); !slices.Contains(got, filepath.Dir(list)) {
		t.Errorf("the sandbox leaves %v open", got)
	}
	l.hold(set)
	before := l.stamps()
	write(list, "IP\n10.20.0.50\n10.20.0.51\n")
	if l.stamps() == before {
		t.Error("a changed inventory goes unnoticed")
	}
	l.load(false)
	select {
	case next := <-l.loaded:
		if next.err != nil || len(next.set.Site.Hosts) != 3 {
			t.Errorf("loaded %v", next)
		}
	default:
		t.Error("nothing was loaded")
	}
	write(list, "IP\nnowhere\n")
	l.load(false)
	if next := <-l.loaded; next.err == nil {
		t.Error("an inventory with a mistake was taken")
	}
}
