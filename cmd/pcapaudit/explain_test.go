package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"pcapaudit/capture"
	"pcapaudit/capture/flow"
	"pcapaudit/classify"
)

// explainedWindow is a recorded window with an explanation of each of its connections.
type explainedWindow struct {
	*window
	byID map[string]classify.Explanation
}

// eachWindow explains every connection of every recorded window.
func eachWindow(t *testing.T, do func(*testing.T, *explainedWindow)) {
	t.Chdir("../../testdata")
	paths, err := filepath.Glob("captures/*.expect.yaml")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no window (%v)", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".expect.yaml"), func(t *testing.T) {
			w := &explainedWindow{window: auditWindow(t, path, "captures"), byID: map[string]classify.Explanation{}}
			w.explain(t)
			do(t, w)
		})
	}
}

// explain judges the window's connections as audit does, and explains each before it is judged.
func (w *explainedWindow) explain(t *testing.T) {
	u := &ui{out: os.Stdout, err: os.Stderr}
	set, _, err := u.ruleSet(auditFlags{rules: w.Rules, site: "sites/" + w.Site + ".yaml"})
	if err != nil {
		t.Fatal(err)
	}
	auditor := classify.New(set, classify.Options{OnJudged: func(c *flow.Conn, j classify.Judgement) {
		if e := w.byID[c.ID.String()]; !reflect.DeepEqual(e.Judgement, j) {
			t.Errorf("%s is judged %+v and explained as %+v", e.Connection, j, e.Judgement)
		}
	}})
	config := capture.Config{Inputs: []string{filepath.Join(w.dir, w.name+".pcapng")}, MaxConnections: flow.DefaultMaxConnections, Workers: 1}
	config.Learn.Name, config.Learn.Announcement = auditor.LearnName, auditor.LearnAnnouncement
	config.Emit = func(c *flow.Conn) {
		w.byID[c.ID.String()] = auditor.Explain(c)
		auditor.Observe(c)
	}
	if _, err := u.read(context.Background(), config); err != nil {
		t.Fatal(err)
	}
	if len(w.byID) == 0 {
		t.Fatal("no connection")
	}
}

// TestExplanationsFollowVerdicts: over all connections of all windows the flows of an explanation say what the verdict says, and to explain changes no verdict.
func TestExplanationsFollowVerdicts(t *testing.T) {
	seen := map[string]bool{}
	eachWindow(t, func(t *testing.T, w *explainedWindow) {
		for _, l := range w.lines {
			e, ok := w.byID[l.ID]
			if !ok || e.Verdict != l.Verdict || !slices.Equal(e.Why, l.Why) || e.Flow != l.Flow {
				t.Errorf("%s: judged %s %v %s, explained as %s %v %s", l.ID, l.Verdict, l.Why, l.Flow, e.Verdict, e.Why, e.Flow)
			}
		}
		for id, e := range w.byID {
			seen[e.Verdict+" "+strings.Join(e.Why, ",")] = true
			if problem := inconsistent(e); problem != "" {
				t.Errorf("%s %s %s: %s", id, e.Connection, e.Verdict, problem)
			}
		}
	})
	for _, verdict := range []string{"documented ", "deviation originator", "deviation source-port", "deviation encryption", "indeterminate unannounced", "unexpected undocumented-service", "unexpected unknown-host", "unexpected wrong-roles", "out-of-scope link-control"} {
		if !seen[verdict] {
			t.Errorf("no window has a connection that is %s", verdict)
		}
	}
	t.Log(slices.Sorted(maps.Keys(seen)))
}

// inconsistent says where an explanation contradicts itself.
func inconsistent(e classify.Explanation) string {
	var decided []classify.ExplainedFlow
	listed := map[string]bool{}
	for _, f := range e.Flows {
		if listed[f.Flow] {
			return f.Flow + " stands twice"
		}
		listed[f.Flow] = true
		switch {
		case f.Stand == "decided":
			decided = append(decided, f)
		case f.Stand == "shared" && len(f.Failed) > 0:
			return f.Flow + " covers it and fails"
		case f.Stand == "failed" && len(f.Failed) == 0:
			return f.Flow + " fails for no reason"
		}
		for _, c := range f.Failed {
			if c.Reason == "" {
				return f.Flow + " fails " + c.Condition + " without a word"
			}
		}
	}
	original := e.Verdict
	if e.Original != "" {
		original = e.Original
	}
	switch {
	case e.Decided == "":
		return "nothing decided"
	case original == "out-of-scope":
		return ""
	case e.Flow == "" && len(decided) > 0:
		return decided[0].Flow + " decided, and the verdict has no flow"
	case e.Flow == "":
		return ""
	case len(decided) != 1 || decided[0].Flow != e.Flow:
		return fmt.Sprintf("the verdict rests on %s, and these decided: %+v", e.Flow, decided)
	case slices.Equal(e.Why, []string{"document-silent"}):
		return ""
	}
	failed := []string{}
	for _, c := range decided[0].Failed {
		failed = append(failed, c.Condition)
	}
	if !slices.Equal(failed, e.Why) {
		return fmt.Sprintf("%v is broken, and explained: %v", e.Why, failed)
	}
	return ""
}

// TestChangesAreEnough applies every change that an explanation of a finding names to the site and audits again: the connection is then judged as the change says.
func TestChangesAreEnough(t *testing.T) {
	tried := map[string]int{}
	eachWindow(t, func(t *testing.T, w *explainedWindow) {
		for _, f := range w.audit.Findings {
			if f.Kind != "connection" && f.Kind != "question" {
				continue
			}
			e := w.byID[f.Evidence[0].ID]
			for _, c := range e.Changes {
				tried[firstKey(c.YAML)]++
				if got := w.changed(t, c, f.Evidence[0].ID); got != c.Gives {
					t.Errorf("%s (%s): %q gives %s, not %s:\n%s", e.Connection, f.Summary, c.What, got, c.Gives, c.YAML)
				}
			}
		}
	})
	t.Log(tried)
	for _, key := range []string{"hosts", "exceptions"} {
		if tried[key] == 0 {
			t.Errorf("no change of %s was tried", key)
		}
	}
}

func firstKey(text string) string {
	key, _, _ := strings.Cut(text, ":")
	return key
}

// changed audits the window with a changed site and gives the verdict of one connection.
func (w *explainedWindow) changed(t *testing.T, c classify.Change, id string) string {
	text, err := os.ReadFile("sites/" + w.Site + ".yaml")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	site, list := filepath.Join(dir, "site.yaml"), filepath.Join(dir, "connections.json")
	if err := os.WriteFile(site, merged(t, text, c.YAML), 0o644); err != nil {
		t.Fatal(err)
	}
	args := append(w.args("--connections", list), "--site", site)
	var errs strings.Builder
	if code := run(args, nil, &strings.Builder{}, &errs); code == exitUsage {
		t.Fatalf("%s: %s", c.What, errs.String())
	}
	for _, l := range readLines(t, list) {
		if l.ID == id {
			return l.Verdict
		}
	}
	return "not there"
}

// merged pastes a change into a site as a person would: entries of the same host, condition or flow take over its keys, and who answers is filled in. JSON is YAML.
func merged(t *testing.T, site []byte, change string) []byte {
	var into, from map[string]any
	for text, to := range map[string]*map[string]any{string(site): &into, change: &from} {
		if err := yaml.Load([]byte(text), to, yaml.WithV4Defaults()); err != nil {
			t.Fatalf("%v:\n%s", err, text)
		}
	}
	for key, entries := range from {
		list, _ := into[key].([]any)
		for _, entry := range entries.([]any) {
			e := entry.(map[string]any)
			for k, v := range e {
				if v == "" {
					e[k] = map[bool]string{true: "2029-12-31", false: "somebody"}[k == "until"]
				}
			}
			at := slices.IndexFunc(list, func(o any) bool { return sameEntry(o.(map[string]any), e) })
			if at < 0 {
				list = append(list, e)
				continue
			}
			maps.Copy(list[at].(map[string]any), e)
		}
		into[key] = list
	}
	out, err := json.Marshal(into)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func sameEntry(a, b map[string]any) bool {
	if a["name"] != nil {
		return a["name"] == b["name"]
	}
	return a["flow"] != nil && a["flow"] == b["flow"] && reflect.DeepEqual(a["to"], b["to"])
}

// TestFindingsAreReenacted: what an audit tells of the first connection of a finding is enough to come to the same verdict.
func TestFindingsAreReenacted(t *testing.T) {
	eachWindow(t, func(t *testing.T, w *explainedWindow) {
		u := &ui{out: os.Stdout, err: os.Stderr}
		for i := range w.audit.Findings {
			f := &w.audit.Findings[i]
			if f.Kind != "connection" && f.Kind != "question" {
				continue
			}
			set, notes, err := u.rulesOf(&w.audit, explainFlags{})
			if err != nil || set == nil || len(notes) > 0 {
				t.Fatalf("packs and site: %v %v", notes, err)
			}
			r, ok := classify.New(set, classify.Options{}).Reenact(f)
			if !ok || !r.Same {
				t.Errorf("%s %v %s: reenacted as %s %v (%v)", f.Verdict, f.Why, f.Summary, r.Verdict, r.Why, ok)
			}
		}
	})
}
