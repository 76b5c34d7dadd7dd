function matlab_rig(folder, present, idle)
% MATLAB_RIG  The rig's side of a session by folder exchange, for MATLAB and Octave.
%
%   matlab_rig('sessions/a/exchange', @present)
%   matlab_rig('sessions/a/exchange', @present, 60)   % ends after 60 s without a block
%
% `present` is yours: it shows one image, records, and answers in milliseconds from onset.
%
%   [shown, spikes] = present(picture, timing, units)
%
%   picture  height x width x 3, uint8
%   timing   struct with on_ms, off_ms, window_ms and perhaps baseline_ms
%   units    cell of names
%   shown    seconds on your clock when the image came up; NaN if you do not know
%   spikes   cell, one entry a unit: spike times in ms, [] for none, NaN for "not recorded"
%
% Needs no toolbox. A block that was answered before is not shown again.

if nargin < 3, idle = Inf; end
last = tic;
while toc(last) < idle
    quiet = warning('off', 'all');  % Octave warns of a block that is taken away while it looks
    found = dir(fullfile(folder, 'blocks', '*.json'));
    warning(quiet);
    found = found(~strncmp({found.name}, '.', 1));
    if isempty(found), alive(folder); pause(0.05); continue, end
    [~, block] = fileparts(found(1).name);
    answers = fullfile(folder, 'answers', [block '.csv']);
    if exist(answers, 'file'), alive(folder); pause(0.05); continue, end
    try
        text = fileread(fullfile(folder, 'blocks', found(1).name));
    catch
        continue  % withdrawn just now
    end
    answer_block(folder, block, jsondecode(text), answers, present);
    last = tic;
end
end

function answer_block(folder, block, manifest, answers, present)
% Show a block's trials in order and give all answers in one file.
units = as_cell(manifest.units);
trials = as_cell(manifest.trials);
part = fullfile(folder, 'answers', ['.' block '.part']);
out = fopen(part, 'w');
fprintf(out, 'trial,image,shown');
fprintf(out, ',%s', units{:});
fprintf(out, '\n');
for k = 1:numel(trials)
    trial = trials{k};
    picture = imread(fullfile(folder, 'images', trial.file));
    [shown, spikes] = present(picture, manifest.timing, units);
    spikes = as_cell(spikes);
    if numel(spikes) ~= numel(units)
        fclose(out);
        error('present gave spikes of %d units; expected %d', numel(spikes), numel(units));
    end
    fprintf(out, '%s,%s,%s', trial.trial, trial.image, number(shown));
    for u = 1:numel(units)
        fprintf(out, ',%s', spike_times(spikes{u}));
    end
    fprintf(out, '\n');
end
fclose(out);
movefile(part, answers);  % under its name it is whole
end

function items = as_cell(items)
% One entry an item, whatever jsondecode made of a list: struct array, text, numbers or cell.
if ischar(items)
    items = {items};
elseif ~iscell(items)
    items = num2cell(items);
end
end

function text = number(value)
% A number with all its digits; empty where it is not known.
if isempty(value) || isnan(value)
    text = '';
else
    text = sprintf('%.6f', value);
end
end

function text = spike_times(times)
% Spike times as [12.5 48.1], none as [], not recorded as an empty word.
if ~isempty(times) && any(isnan(times(:)))
    text = '';
else
    text = ['[' strtrim(sprintf('%.3f ', times)) ']'];
end
end

function alive(folder)
% A sign of life.
beat = fopen(fullfile(folder, 'beat'), 'w');
if beat >= 0, fclose(beat); end
end
