package main

import (
	"fmt"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"pcapaudit/capture"
	"pcapaudit/capture/flow"
	"pcapaudit/capture/sandbox"
	"pcapaudit/reports"
)

func connectionsCommand(u *ui) *cobra.Command {
	var format, key string
	var all bool
	var maxConns int
	var packets packetFlags
	var box sandboxMode
	c := &cobra.Command{
		Use:   "connections CAPTURE...",
		Short: "List the connections of captures, without judgement",
		Long: `connections reads captures and writes one line a connection: who opened it and how that is known, what was
seen of it, when, and how much. Nothing is judged. The packet ledger goes to standard error.
` + packetHelp + `
` + pseudonymHelp + ` Names lead back through
the JSON of an audit of the same captures.
` + sandboxHelp,
		Example: `  # Who opened what to whom, and what became of it.
  pcapaudit connections testdata/captures/acronis-clean.pcapng

  # What one host refused, from the lines of JSON.
  pcapaudit connections --host 10.20.0.10 --format json \
    testdata/captures/acronis-deviating.pcapng | jq 'select(.outcome == "refused")'

  # Some ports, from a time on, as mirror ports on two networks show them.
  pcapaudit connections --port 9876-9877 --since 2026-11-22 --dedup \
    --key vlan,interface testdata/captures/acronis-clean.pcapng

  # From standard input to a spreadsheet.
  gzip -c testdata/captures/databox-clean.pcapng |
    pcapaudit connections --format csv - > connections.csv`,
		Args: atLeast(1, "name a capture file, a directory of rotated files, or - for standard input"),
		RunE: func(c *cobra.Command, args []string) error {
			look, err := u.look(all)
			if err != nil {
				return err
			}
			config := capture.Config{Inputs: args, Stdin: u.in, MaxConnections: maxConns, Workers: runtime.GOMAXPROCS(0)}
			if err := packets.config(&config); err != nil {
				return err
			}
			hidden, err := loadPseudonyms(key)
			if err != nil {
				return err
			}
			list, err := reports.NewConnections(u.out, format, look, false)
			if err != nil {
				return misspelt(err, format, reports.ConnectionFormats)
			}
			ctx, stop := u.interruptible(c.Context(), func() {})
			defer stop()
			if _, err := u.confine(box, sandbox.Plan{Read: readable(args)}); err != nil {
				return err
			}
			write := hidden.lister(list)
			config.Emit = func(c *flow.Conn) { write(c, nil) }
			result, err := u.read(ctx, config)
			if err != nil {
				return err
			}
			u.passedOver(result, func(string) bool { return false })
			if err := list.Close(); err != nil {
				return outputFailed(err)
			}
			u.summary(result, config.Filter)
			return nothingRead(result)
		},
	}
	fl := c.Flags()
	fl.StringVar(&format, "format", "table", "`FORMAT`: "+strings.Join(reports.ConnectionFormats, ", "))
	completeWords(c, "format", reports.ConnectionFormats...)
	fl.BoolVar(&all, "all", false, "show every connection in the table")
	packets.register(c)
	pseudonymFlag(c, &key)
	maxConnectionsFlag(c, &maxConns)
	sandboxFlag(c, &box)
	return c
}

func maxConnectionsFlag(c *cobra.Command, n *int) {
	c.Flags().IntVar(n, "max-connections", flow.DefaultMaxConnections, "most connections tracked at a time, `N` (80 to 210 bytes each)")
}

// summary says on stderr what became of the packets, one line a fact.
func (u *ui) summary(r *capture.Result, filter *flow.Filter) {
	facts := captureFacts(r)
	var parts []string
	for _, c := range facts.Packets.Classes {
		if c.Packets > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", c.Packets, c.Name))
		}
	}
	if len(parts) == 0 {
		parts = []string{"none"}
	}
	fmt.Fprintf(u.err, "%d packets read = %s\n", facts.Packets.Read, strings.Join(parts, " + "))
	if opened := r.Ledger.Opened; opened > 0 {
		parts = parts[:0]
		for _, c := range facts.Packets.Inside {
			parts = append(parts, fmt.Sprintf("%d %s", c.Packets, c.Name))
		}
		fmt.Fprintf(u.err, "%d packets inside tunnels = %s\n", opened, strings.Join(parts, " + "))
	}
	if filter != nil {
		fmt.Fprintf(u.err, "filtered by %s: %d packets are not looked at\n", filter, facts.Filtered)
	}
	for _, in := range facts.Inputs {
		if in.State != "clean" {
			u.warn("%s: %s: %s", in.Name, in.State, in.Detail)
		}
	}
}
