// Command pcapaudit audits packet captures against the flows that product documentation describes.
package main

import (
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	_ "time/tzdata" // time zones of allowed hours, on hosts that have none

	"pcapaudit/capture/sandbox"
)

const version = "0.1.0"

func main() { os.Exit(process()) }

// process executes the command line of this process, which may give up its rights for good.
func process() int {
	return execute(&ui{in: os.Stdin, out: os.Stdout, err: os.Stderr, enter: sandbox.Enter}, os.Args[1:])
}

// execute executes one command line and gives its exit code. A reader that goes away ("| head") is an error of the write, not the end of the process:
// temporary files are removed and reports keep their promise.
func execute(ui *ui, args []string) int {
	signal.Ignore(syscall.SIGPIPE)
	root := rootCommand(ui)
	root.SetArgs(args)
	root.SetIn(ui.in)
	root.SetOut(ui.out)
	root.SetErr(ui.err)
	return ui.finish(root.Execute())
}

func rootCommand(ui *ui) *cobra.Command {
	root := &cobra.Command{
		Use:   "pcapaudit",
		Short: "Audit packet captures against documented network flows",
		Long: `pcapaudit reads packets, tracks connections, matches each against the flows that a product's
documentation describes, and reports what was unexpected, what was missing, what deviated from
the document, and what could not be judged.

Three ways to start:
  pcapaudit rules list                                      the documents it knows
  pcapaudit connections CAPTURE                             what a capture holds, without judgement
  pcapaudit audit --rules PACK --site SITE.yaml CAPTURE     the audit`,
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return exitError{exitUsage, hint(err, "see %s --help", c.CommandPath())}
	})
	root.PersistentFlags().StringVar(&ui.colorMode, "color", "auto", "colour on the terminal, `WHEN`: auto, always, never (NO_COLOR is honoured)")
	completeWords(root, "color", "auto", "always", "never")
	root.AddCommand(auditCommand(ui), liveCommand(ui), connectionsCommand(ui), reportCommand(ui), diffCommand(ui), verifyCommand(ui), explainCommand(ui), exceptCommand(ui),
		combineCommand(ui), pseudonymsCommand(ui), rulesCommand(ui), siteCommand(ui), manualCommand())
	return root
}
