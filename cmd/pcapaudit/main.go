// Command pcapaudit audits packet captures against the flows that product documentation describes.
package main

import (
	"io"
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

// Commands stand in help in the order in which they are used.
func init() { cobra.EnableCommandSorting = false }

func rootCommand(ui *ui) *cobra.Command {
	root := &cobra.Command{
		Use:   "pcapaudit",
		Short: "Audit packet captures against documented network flows",
		Long: `pcapaudit reads packets, tracks connections, matches each against the flows that a product's documentation
describes, and reports what was unexpected, what was missing, what deviated from the document, and what could
not be judged. Without arguments it shows three ways to start.

A rule pack holds what a product's documentation says; a site file says which hosts play which roles.`,
		Example: `  # Three ways to start, and the packs that are there.
  pcapaudit
  pcapaudit rules list

  # A first audit, of a recorded window (exit code 1: faults were planted).
  pcapaudit audit --site testdata/sites/acronis.yaml \
    testdata/captures/acronis-deviating.pcapng`,
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          noSuchCommand,
		RunE: func(*cobra.Command, []string) error {
			_, err := io.WriteString(ui.out, start)
			return outputFailed(err)
		},
	}
	root.SetFlagErrorFunc(wrongFlag)
	root.SetHelpFunc(ui.help)
	root.SetHelpCommand(helpCommand())
	root.SetHelpCommandGroupID(groupElse)
	root.AddGroup(commandGroups...)
	root.PersistentFlags().StringVar(&ui.colorMode, "color", "auto", "colour on the terminal, `WHEN`: auto, always, never (NO_COLOR is honoured)")
	completeWords(root, "color", colorWords...)
	grouped(root, groupAudit, auditCommand(ui), liveCommand(ui), connectionsCommand(ui))
	grouped(root, groupRead, explainCommand(ui), reportCommand(ui), diffCommand(ui), combineCommand(ui), exceptCommand(ui), verifyCommand(ui))
	grouped(root, groupRules, rulesCommand(ui), siteCommand(ui))
	grouped(root, groupElse, pseudonymsCommand(ui), completionCommand(ui))
	root.AddCommand(manualCommand())
	return root
}
