package reports

import (
	"bytes"
	"encoding/csv"
	"slices"
	"testing"

	"pcapaudit/classify"
)

func readCSV(t *testing.T, f Format, a *classify.Audit) [][]string {
	t.Helper()
	rows, err := csv.NewReader(bytes.NewReader(render(t, f, a, Look{}))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func TestFindingsCSVFoldsNothing(t *testing.T) {
	a := sampleAudit()
	rows := readCSV(t, Format{"csv", ".csv", writeFindings}, a)
	if len(rows) != 1+len(a.Findings) {
		t.Fatalf("%d rows for %d findings", len(rows), len(a.Findings))
	}
	cell := func(row int, name string) string { return rows[row][slices.Index(rows[0], name)] }
	if cell(1, "id") != a.Findings[0].ID || cell(1, "decides") != "true" || cell(1, "outcomes") != "3 established" || cell(1, "evidence_packet") != "17" {
		t.Errorf("first row %q", rows[1])
	}
	if last := len(rows) - 1; cell(last, "hosts") != "srv-17; srv-18" || cell(last, "evidence_packet") != "" {
		t.Errorf("last row %q", rows[last])
	}
}

// TestMatrixCSVHasTheFlowsWithoutTraffic: an assessor reads what was not used there too.
func TestMatrixCSVHasTheFlowsWithoutTraffic(t *testing.T) {
	a := &classify.Audit{
		Matrix: []classify.MatrixCell{{From: "p/agent", To: "p/server", Flow: "p/registers", Service: "tcp/9876", Verdict: "documented", Connections: 3, Packets: 30, Bytes: 4096},
			{From: "p/agent", To: "p/server", Service: "tcp/88", Verdict: "unexpected", Connections: 1, Packets: 2, Bytes: 100}},
		Expectations: []classify.Expectation{{Flow: "p/registers", Need: "required", Summary: "1 of 1 observed"},
			{Flow: "p/shared", Service: "tcp/9876", From: []string{"agent"}, To: []string{"server", "console"}, Summary: "1 of 1 observed", Statuses: []classify.StatusCount{{Status: "observed", Hosts: 1}}},
			{Flow: "p/silent", Service: "tcp/1", Need: "optional", Summary: "0 of 1 observed, 1 not observed", Statuses: []classify.StatusCount{{Status: "not-observed", Hosts: 1}}}},
	}
	want := [][]string{
		{"from", "to", "flow", "service", "verdict", "connections", "packets", "bytes", "need", "status"},
		{"p/agent", "p/server", "p/registers", "tcp/9876", "documented", "3", "30", "4096", "required", "1 of 1 observed"},
		{"p/agent", "p/server", "", "tcp/88", "unexpected", "1", "2", "100", "", ""},
		{"agent", "server; console", "p/shared", "tcp/9876", "", "0", "0", "0", "", "1 of 1 observed; its connections count for a flow that has them too"},
		{"", "", "p/silent", "tcp/1", "", "0", "0", "0", "optional", "0 of 1 observed, 1 not observed"},
	}
	if got := readCSV(t, Format{"matrix", ".matrix.csv", writeMatrix}, a); !slices.EqualFunc(got, want, slices.Equal) {
		t.Errorf("got %q", got)
	}
}
