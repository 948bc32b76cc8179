package rules

import (
	"strings"
	"testing"
	"time"
)

func TestAcknowledgements(t *testing.T) {
	const text = `acknowledgements:
  - {finding: 0123456789abcdef, until: 2026-01-31T22:00:00+01:00, who: R. Rivera, text: being replaced}
  - {finding: fedcba9876543210, until: "2026-02-01", who: R. Rivera, text: ticket 17}
`
	a, problems := LoadAcknowledgementsBytes("ack.yaml", []byte(text))
	if len(problems) > 0 || len(a.List) != 2 || len(a.SHA256) != 64 || a.File != "ack.yaml" {
		t.Fatalf("%+v, problems %v", a, problems)
	}
	for i, want := range []string{"2026-01-31T21:00:00Z", "2026-02-01T00:00:00Z"} {
		if got := time.Unix(0, a.List[i].End()).UTC().Format(time.RFC3339); got != want {
			t.Errorf("acknowledgement %d ends %s, want %s", i, got, want)
		}
	}
}

func TestAcknowledgementMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"acknowledgements:\n  - {finding: 0123456789abcdeg, until: 2026-02-01, who: r, text: t}":                                                                      `ack.yaml:2:15: "0123456789abcdeg" is no id of a finding; write its 16 hex digits, as alerts show them`,
		"acknowledgements:\n  - {finding: 0123456789abcdef, until: tomorrow, who: r, text: t}":                                                                        `ack.yaml:2:40: "tomorrow" is no time; write 2026-01-31 (midnight UTC) or 2026-01-31T22:00:00+01:00`,
		"acknowledgements:\n  - {finding: 0123456789abcdef, who: r, text: t}":                                                                                         `ack.yaml:2:5: an acknowledgement without an end; add until: 2026-01-31, or a time with its zone`,
		"acknowledgements:\n  - {finding: 0123456789abcdef, until: 2026-02-01, text: t}":                                                                              `ack.yaml:2:5: an acknowledgement without a name; add who: who answers for it`,
		"acknowledgements:\n  - {finding: 0123456789abcdef, until: 2026-02-01, who: r}":                                                                               `ack.yaml:2:5: an acknowledgement without a text; add text: why it need not be told again`,
		"acknowledgements:\n  - {finding: 0123456789abcdef, until: 2026-02-01, who: r, text: t}\n  - {finding: 0123456789abcdef, until: 2026-02-02, who: r, text: t}": `ack.yaml:3:15: finding 0123456789abcdef is acknowledged twice, first at ack.yaml:2:5; keep one`,
		"acknowledgements:\n  - {finding: 0123456789abcdef, until: 2026-02-01, who: r, text: t, forever: true}":                                                       `unknown key "forever"`,
		"acknowledgements:\n" + strings.Repeat("  - {finding: 0123456789abcdef, until: 2026-02-01, who: r, text: t}\n", maxAcknowledgements+1):                        `ack.yaml:4098:5: 4097 acknowledgements are more than 4096; remove those that have ended`,
	} {
		a, problems := LoadAcknowledgementsBytes("ack.yaml", []byte(text))
		if a != nil || len(problems) != 1 || !strings.Contains(problems[0].String(), want) {
			t.Errorf("%.120s: problems\n%v\nwant\n%s", text, problems, want)
		}
	}
}
