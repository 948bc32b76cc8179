package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"

	"pcapaudit/classify"
)

// readAudit reads a report in JSON.
func readAudit(name string) (*classify.Audit, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("read report: %w", err)
	}
	a := new(classify.Audit)
	if err := json.Unmarshal(text, a); err != nil {
		return nil, fmt.Errorf("read report %s: %w", name, err)
	}
	return a, nil
}

// unbalanced adds up the ledgers of a report, and gives the lines that do not agree.
func unbalanced(a *classify.Audit) (faults []string) {
	equal := func(what string, got, want uint64) {
		if got != want {
			faults = append(faults, fmt.Sprintf("ledger: %s: %d and %d", what, got, want))
		}
	}
	for _, line := range a.Residuals {
		faults = append(faults, "ledger residual: "+line)
	}
	var delivered, dropped, ends, judged uint64
	for _, in := range a.Coverage.Live {
		equal("packets of the kernel for "+in.Name+", delivered and dropped", in.Kernel, in.Delivered+in.Dropped)
		delivered += in.Delivered
		dropped += in.Dropped
	}
	for _, c := range a.Connections.Ends {
		ends += c.Packets
	}
	for _, t := range a.Totals {
		judged += t.Connections
	}
	equal("packets delivered, read", delivered, a.Packets.Read)
	equal("packets read, of all classes", a.Packets.Read, counts(a.Packets.Classes))
	equal("packets dropped, in coverage", dropped, a.Coverage.Dropped)
	equal("connections created, open and emitted", a.Connections.Created, a.Connections.Open+a.Connections.Emitted)
	equal("connections emitted, ends", a.Connections.Emitted, ends)
	equal("connections emitted, verdicts", a.Connections.Emitted, judged)
	if a.Coverage.LossPercent > a.Coverage.LossBound && a.Result.Verdict == "clean" {
		faults = append(faults, fmt.Sprintf("the result is clean with %.1f %% of the packets dropped", a.Coverage.LossPercent))
	}
	if dropped > 0 && !said(a, fmt.Sprint(dropped)) {
		faults = append(faults, fmt.Sprintf("no sentence of coverage names the %d packets dropped", dropped))
	}
	if n := a.Coverage.Evicted; n > 0 && !said(a, fmt.Sprint(n)) {
		faults = append(faults, fmt.Sprintf("no sentence of coverage names the %d connections evicted", n))
	}
	return faults
}

func counts(list []classify.Count) (n uint64) {
	for _, c := range list {
		n += c.Packets
	}
	return n
}

// said looks for a word in the sentences on what the report cannot show.
func said(a *classify.Audit, word string) bool {
	return slices.ContainsFunc(a.Coverage.CannotShow, func(s string) bool { return strings.Contains(s, word) })
}
