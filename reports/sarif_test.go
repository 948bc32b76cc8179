package reports

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"pcapaudit/classify"
)

func sarifOf(t *testing.T, a *classify.Audit) sarifRun {
	t.Helper()
	var log sarifLog
	if err := json.Unmarshal(render(t, Format{"sarif", ".sarif", writeSARIF}, a, Look{}), &log); err != nil {
		t.Fatal(err)
	}
	return log.Runs[0]
}

// TestSARIFHoldsFailuresOnly: questions, attempts and what could not be tested are no results; what an exception covers is there, suppressed.
func TestSARIFHoldsFailuresOnly(t *testing.T) {
	a := sampleAudit()
	a.Findings = append(a.Findings,
		classify.Finding{ID: "e1", Kind: "connection", Severity: "info", Verdict: "excepted", Original: "unexpected", Why: []string{"wrong-roles"}, Exception: "EX-1", Summary: "excepted"},
		classify.Finding{ID: "q1", Kind: "question", Severity: "low", Verdict: "indeterminate", Summary: "which port?"},
		classify.Finding{ID: "n1", Kind: "connection", Severity: "high", Verdict: "deviation", Why: []string{"originator"}, Flow: "acronis-abr-11.5/agent-registers", Decides: true, Standing: "known", Exception: "EX-1"})
	a.Findings = append(a.Findings, classify.Finding{ID: "u1", Kind: "expectation", Severity: "low", Verdict: "not-testable", Summary: "could not be tested", Decides: true},
		classify.Finding{ID: "u2", Kind: "silent-host", Severity: "medium", Verdict: "not-testable", Summary: "sent nothing"})
	run := sarifOf(t, a)
	byID := map[string]sarifResult{}
	for _, r := range run.Results {
		byID[r.Fingerprints[fingerprintKey]] = r
		if run.Tool.Driver.Rules[r.RuleIndex].ID != r.RuleID {
			t.Errorf("rule %d is %s, not %s", r.RuleIndex, run.Tool.Driver.Rules[r.RuleIndex].ID, r.RuleID)
		}
		if len(r.Locations) == 0 {
			t.Errorf("%s has no location", r.RuleID)
		}
	}
	if len(byID) != len(run.Results) || len(run.Results) != 8+1+2 {
		t.Errorf("%d results of %d fingerprints, want 11", len(run.Results), len(byID))
	}
	if r := byID["e1"]; len(r.Suppressions) != 1 || r.RuleID != "unexpected/wrong-roles" || !strings.Contains(r.Suppressions[0].Justification, "J. Doe") || r.Level != "note" {
		t.Errorf("excepted: %+v", r)
	}
	if r := byID["n1"]; len(r.Suppressions) != 0 || r.RuleID != "acronis-abr-11.5/agent-registers" || r.Baseline != "unchanged" || r.Level != "error" {
		t.Errorf("an exception that had expired suppresses nothing: %+v", r)
	}
	for _, id := range []string{"q1", "u1", "u2"} {
		if _, there := byID[id]; there {
			t.Errorf("%s is no failure", id)
		}
	}
	first := byID["0000000000000000"]
	if l := first.Locations[0]; l.Physical.Artifact.URI != "window.pcapng" || *l.Physical.Artifact.Index != 0 || !strings.HasPrefix(l.Message.Text, "packet 17 of window.pcapng") {
		t.Errorf("location %+v", l)
	}
	if v := run.Invocations[0]; v.ExitCode != 1 || !v.Successful || run.Artifacts[0].Hashes["sha-256"] != strings.Repeat("ab", 32) {
		t.Errorf("invocation %+v, artifact %+v", v, run.Artifacts[0])
	}
}

// TestSARIFMessagesAreNoMarkup: SARIF reads braces as placeholders and [text](target) as a link.
func TestSARIFMessagesAreNoMarkup(t *testing.T) {
	if got := sarifMessage("{0} [click](http://evil.example) a\nb").Text; got != `{{0}} [click] (http://evil.example) a\x0ab` {
		t.Errorf("got %s", got)
	}
}

func TestFileURIStaysAPath(t *testing.T) {
	for name, want := range map[string]string{"a b.pcap": "a%20b.pcap", "//evil.example/x": "/evil.example/x", "javascript:alert(1)": "./javascript:alert%281%29", "/cap/../x": "/cap/../x", "a#b?c": "a%23b%3Fc", "": "", "日本": "%E6%97%A5%E6%9C%AC"} {
		got := fileURI(name)
		if strings.ReplaceAll(strings.ReplaceAll(got, "%28", "("), "%29", ")") != strings.ReplaceAll(strings.ReplaceAll(want, "%28", "("), "%29", ")") {
			t.Errorf("fileURI(%q) = %s, want %s", name, got, want)
		}
	}
}

// TestBoundedFormatsSayWhatIsLeftOut: a flood of findings neither fills the disk nor goes unsaid.
func TestBoundedFormatsSayWhatIsLeftOut(t *testing.T) {
	a := sampleAudit()
	a.Findings = nil
	for i := range maxResults + 7 {
		a.Findings = append(a.Findings, classify.Finding{ID: fmt.Sprintf("%016x", i), Kind: "connection", Severity: "high", Verdict: "unexpected", Decides: true, Summary: "x"})
	}
	run := sarifOf(t, a)
	if n := run.Invocations[0].Notifications; len(run.Results) != maxResults || n[len(n)-1].Message.Text != "and 7 more failures in the JSON report" {
		t.Errorf("%d results, notifications %v", len(run.Results), n)
	}
	r := oscalOf(t, a, Look{}).Results[0]
	if len(r.Findings) != maxResults || !strings.Contains(r.Remarks, "and 7 more findings in the JSON report") {
		t.Errorf("%d findings: %s", len(r.Findings), r.Remarks)
	}
}
