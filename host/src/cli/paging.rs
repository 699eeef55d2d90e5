//! `--no-pager` of the commands whose output may be longer than the screen. `print` shows the pages.

use super::print;

#[derive(Debug, clap::Args)]
pub struct Paging {
    /// Never show the output page by page
    #[arg(long)]
    no_pager: bool,
}

impl Paging {
    /// Lets the user's pager show what the command prints from now on, unless it must not. Nothing is
    /// paged where standard output is no terminal.
    pub fn begin(&self) {
        if !self.no_pager {
            print::page();
        }
    }
}
