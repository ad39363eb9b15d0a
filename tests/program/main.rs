//! The binary, run as a user runs it.

#[path = "../common/mod.rs"]
mod common;

mod cli;
mod config_file;
mod controls;
mod examples;
mod exit_codes;
mod report;
mod run_folder;
mod streams;
mod using_a_model;
