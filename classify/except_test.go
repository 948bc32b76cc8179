package classify

import (
	"errors"
	"regexp"
	"strings"
	"testing"
)

// TestExceptionStanzaCoversItsFinding pastes the stanza of a finding into the site, as a person fills it in: the finding is excepted then, nothing else is, and what
// no exception can name is refused.
func TestExceptionStanzaCoversItsFinding(t *testing.T) {
	for _, c := range []struct{ conn, remark string }{
		{"10.0.0.2:50000 > 10.0.0.10:9877 tcp established", ""},
		{"10.0.0.2:50000 > 10.0.0.10:9877 udp answered", ""},
		{"10.0.0.2:50000 > 10.0.99.1:25 tcp established", ""},
		{"10.0.0.1:20000 > 10.0.0.40:80 tcp established", "p/update-http may then be missing"},
		{"10.0.0.10:50000 > 10.0.0.2:9876 tcp established", ""},
		{"10.0.0.2 > 10.0.0.40 icmp answered type=8", "every type"},
		{"10.0.0.2 > 2001:db8::8 icmp6 answered type=128", "every type"},
		{"10.0.0.2 > 10.0.0.40 esp seen", ""},
	} {
		before := audit(t, set(t, testSite, testPack), c.conn, nil)
		f := findingOf(t, before, "connection ")
		stanza, err := ExceptionStanza(&f)
		if err != nil || !strings.Contains(stanza, c.remark) || c.remark == "" && strings.Contains(stanza, "may then be missing") {
			t.Errorf("%s: %v\n%s", c.conn, err, stanza)
			continue
		}
		filled := regexp.MustCompile(`until: "".*`).ReplaceAllString(stanza, "until: 2026-02-01")
		filled = regexp.MustCompile(`: "" .*`).ReplaceAllString(filled, ": x")
		after := audit(t, set(t, testSite+"exceptions:\n"+filled, testPack), c.conn, nil)
		if g := findingOf(t, after, "connection "); g.Verdict != "excepted" || g.Original != f.Verdict || len(after.Exceptions) != 1 || after.Exceptions[0].Connections != f.Connections {
			t.Errorf("%s: %s, exceptions %+v\n%s", c.conn, g.Verdict, after.Exceptions, stanza)
		}
	}
}

// The audit may be somebody else's: no text in it becomes a line of the site.
func TestExceptionStanzaKeepsHostileTextInItsPlace(t *testing.T) {
	const evil = "x\n  - id: EVIL\r\u2028\u0085from: any"
	f := Finding{ID: "0123456789abcdef", Kind: kindConnection, Verdict: "deviation", Proto: "tcp", Port: "80"}
	plain, err := ExceptionStanza(&f)
	if err != nil {
		t.Fatal(err)
	}
	f.Summary, f.First, f.Flow, f.Nearest, f.Reason, f.Why = evil, evil, evil, evil, evil, []string{evil}
	f.Orig, f.Resp = EndRef{Host: evil, Name: evil}, EndRef{IP: evil, Host: evil}
	got, err := ExceptionStanza(&f)
	if err != nil || strings.Count(got, "\n") != strings.Count(plain, "\n") || strings.ContainsAny(got, "\r\u2028\u0085") || regexp.MustCompile(`(?m)^ *- id: EVIL`).MatchString(got) {
		t.Errorf("%v\n%s", err, got)
	}
}

func TestNoStanzaForWhatExceptionsCannotName(t *testing.T) {
	for _, f := range []Finding{
		{Kind: kindConnection, Verdict: "unexpected", Proto: "ip-99"},
		{Kind: kindConnection, Verdict: "unexpected", Proto: "tcp", Port: "0"},
		{Kind: kindConnection, Verdict: "unexpected", Proto: "udp", Port: "many"},
		{Kind: kindConnection, Verdict: "indeterminate", Proto: "tcp", Port: "80"},
		{Kind: kindConnection, Verdict: "excepted", Proto: "tcp", Port: "80", Exception: "X"},
		{Kind: kindExpectation, Verdict: "missing", Proto: "tcp", Port: "80"},
	} {
		if text, err := ExceptionStanza(&f); !errors.Is(err, errNoException) {
			t.Errorf("%+v: %v %s", f, err, text)
		}
	}
}
