package reports

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"pcapaudit/classify"
)

// Names in an explanation are those of a site and of a capture: hostile ones reach no terminal, and none is lost on the way to a program.
func TestExplainedSurvivesHostileStrings(t *testing.T) {
	x := &Explained{}
	(&nastyFiller{words: nasty}).fill(reflect.ValueOf(x).Elem(), 0)
	var text, data bytes.Buffer
	if err := ExplainedText(&text, x, Look{Width: 80, Color: false}); err != nil {
		t.Fatal(err)
	}
	for i, b := range text.Bytes() {
		if b < 0x20 && b != '\n' || b == 0x7f {
			t.Fatalf("control byte %#x at %d", b, i)
		}
	}
	if err := ExplainedJSON(&data, x); err != nil {
		t.Fatal(err)
	}
	var back Explained
	if err := json.Unmarshal(data.Bytes(), &back); err != nil || len(back.Connection.Flows) != len(x.Connection.Flows) {
		t.Errorf("does not read back: %v", err)
	}
}

// What a person pastes is whole, whatever the width; all else stays within it.
func TestExplainedWidth(t *testing.T) {
	yaml := "hosts:\n  - {name: a, roles: [" + strings.Repeat("p/role, ", 40) + "p/last]}\n"
	x := &Explained{Notes: []string{strings.Repeat("note ", 40)}, Connection: &classify.Explanation{Connection: "tcp 192.0.2.7:49822 > 192.0.2.9:9876", Time: "2026-01-02T03:04:05.000000000Z",
		Judgement: classify.Judgement{Verdict: "unexpected", Why: []string{"wrong-roles"}}, Reason: strings.Repeat("why ", 40), Decided: strings.Repeat("because ", 40),
		Flows:   []classify.ExplainedFlow{{Flow: "p/f", Service: "tcp/9876", From: []string{"a", "b", "c", "d", "e", "f"}, To: []string{"g"}, Stand: "failed", Failed: []classify.FailedCondition{{Condition: "roles", Reason: strings.Repeat("no ", 60)}}}},
		Changes: []classify.Change{{What: strings.Repeat("change ", 30), YAML: yaml, Gives: "documented"}}}}
	var b bytes.Buffer
	if err := ExplainedText(&b, x, Look{Width: 60}); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(b.String()) {
		if n := utf8.RuneCountInString(strings.TrimSpace(line)); n > 60 && !strings.Contains(line, "p/role") {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	for line := range strings.Lines(yaml) {
		if !strings.Contains(b.String(), strings.TrimSpace(line)) {
			t.Errorf("cannot be pasted: %s", line)
		}
	}
	if strings.Contains(b.String(), "nothing that the site can say") {
		t.Error("there is a change, and it says that there is none")
	}
}
