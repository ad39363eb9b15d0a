//! The binary, run as a user runs it.

#[path = "../common/mod.rs"]
mod common;

mod cli;
mod config_file;
mod controls;
mod drivers;
mod ensembles;
mod examples;
mod exit_codes;
mod explain_and_lab;
mod faulty_models;
mod hints;
mod integers;
mod learning_rate;
mod meeting_data;
mod new_head;
mod predict;
mod report;
mod run_folder;
mod seeds;
mod streams;
mod sweep;
mod tables;
mod threads;
mod using_a_model;
